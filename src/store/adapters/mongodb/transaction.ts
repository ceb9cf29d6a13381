import type { ClientSession, TransactionOptions } from 'mongodb'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreBroken, StoreUnavailable, StoreUnknown } from '../../ports.ts'
import { COMMAND_MS, type Database } from './database.ts'
import { codeOf, DUPLICATE_KEY, isAway, isTransient, isUnknownCommit, toStoreError } from './errors.ts'

/** Below the server's transactionLifetimeLimitSeconds (60). */
const PATIENCE_MS = 30_000
const PAUSE_FIRST_MS = 4
const PAUSE_MAX_MS = 400
const DUPLICATES_MAX = 4

const OPTIONS: TransactionOptions = {
  readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority', journal: true }, readPreference: 'primary', maxCommitTimeMS: COMMAND_MS
}

/** What one run of a transaction came to; `keep: false` undoes whatever it wrote. */
export interface Outcome<T> { readonly value: T; readonly keep: boolean }

/**
 * Runs the work in a transaction, again and again while other transactions are in its way. Not the driver's own
 * `withTransaction`, which goes on for two minutes and does not tell a lost answer from a failure. StoreUnavailable: nothing was
 * written. StoreUnknown: it may have been.
 */
export async function transact<T>(base: Database, work: (session: ClientSession) => Promise<Outcome<T>>): Promise<T> {
  const session = base.client.startSession()
  const start = performance.now()
  try {
    for (let tries = 0, duplicates = 0; ; tries++) {
      if (tries > 0) await sleep(Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** tries))
      try {
        return await once(session, work, start)
      } catch (error) {
        // A key that stays taken, run after run, is not another commit's race but an id used twice.
        if (codeOf(error) === DUPLICATE_KEY && ++duplicates === DUPLICATES_MAX) throw new StoreBroken('An id is there already')
        if (!isTransient(error) || isAway(error)) throw error
        if (performance.now() - start > PATIENCE_MS) throw new StoreUnavailable('Other commits were in the way for too long')
      }
    }
  } catch (error) {
    throw toStoreError(error)
  } finally {
    await session.endSession().catch(() => {})
  }
}

async function once<T>(session: ClientSession, work: (session: ClientSession) => Promise<Outcome<T>>, start: number): Promise<T> {
  session.startTransaction(OPTIONS)
  try {
    const { value, keep } = await work(session)
    if (!keep) {
      await session.abortTransaction().catch(() => {})
      return value
    }
    await commit(session, start)
    return value
  } catch (error) {
    if (session.inTransaction()) await session.abortTransaction().catch(() => {})
    throw error
  }
}

async function commit(session: ClientSession, start: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await session.commitTransaction()
      return
    } catch (error) {
      if (!isUnknownCommit(error)) throw error
      if (performance.now() - start > PATIENCE_MS || isAway(error)) throw new StoreUnknown('The answer to a commit was lost')
    }
    await sleep(Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** tries))
  }
}
