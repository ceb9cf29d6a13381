import { StoreBroken } from '../../ports.ts'
import { isBusy, isFull, toMessage } from './errors.ts'
import type { Outcome } from './messages.ts'

/** The statements of one transaction. */
export interface Transaction {
  begin(): void
  commit(): void
  /** Undoes what is open; nothing where SQLite has undone it already. */
  rollback(): void
}

/** What a kind of store does with its units, and between groups. */
export interface Writer<U> {
  apply(unit: U, at: number): unknown
  /** Called after a group that was undone: forget what was learnt in it. */
  undone(): void
  /** Called when a group is durable and before it is answered. */
  settled(at: number): void
}

export interface GroupRunner<U> {
  /** Runs all units in one transaction; on an error each of them in its own. One outcome per unit, in order. */
  run(units: readonly U[], at: number): Outcome[]
}

/**
 * Group commit on the writer thread. After a COMMIT that failed (fsync above all) nothing is known about what the disk
 * holds, so every later unit is refused: the process must stop, and SQLite's recovery decides at the next start.
 */
export function makeGroupRunner<U>(transaction: Transaction, apply: (unit: U, at: number) => unknown): GroupRunner<U> {
  let broken = false

  function together(units: readonly U[], at: number): Outcome[] {
    transaction.begin()
    const outcomes = units.map((unit) => ({ value: apply(unit, at) }))
    try {
      transaction.commit()
    } catch (error) {
      broken = !isBusy(error) && !isFull(error)
      throw broken ? new StoreBroken('A commit failed') : error
    }
    return outcomes
  }

  return {
    run(units, at) {
      if (broken) return refuse(units, new StoreBroken('An earlier commit failed'))
      try {
        return together(units, at)
      } catch (error) {
        transaction.rollback()
        if (units.length === 1 || broken || isBusy(error)) return refuse(units, error)
        return units.flatMap((unit) => this.run([unit], at))
      }
    }
  }
}

function refuse(units: readonly unknown[], error: unknown): Outcome[] {
  return units.map(() => ({ error: toMessage(error) }))
}
