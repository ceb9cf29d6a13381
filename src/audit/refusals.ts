/** Refused credentials: the first per address, client and second is recorded as it is, the others of that second in one counted summary. */
import { refusedRecord, type AccessRecord, type RefusedInput } from './record.ts'

export interface Refusals {
  /** The records to append now: this refusal when it is the first of its second, and summaries of seconds that are over. */
  refused(input: Omit<RefusedInput, 'at' | 'count'>): readonly AccessRecord[]
  /** Summaries of seconds that are over; `all` also of the running one (at the end of the process). */
  flush(all?: boolean): readonly AccessRecord[]
}

/** `keysMax`: distinct addresses and clients counted in one second; further ones are counted together under no name. */
export function refusals(now: () => number, keysMax = 4096): Refusals {
  const counted = new Map<string, { second: number; more: number; last: RefusedInput }>()
  const flush = (all = false): readonly AccessRecord[] => {
    const second = Math.floor(now() / 1000)
    const summaries: AccessRecord[] = []
    for (const [key, { second: counting, more, last }] of counted) {
      if (!all && counting === second) continue
      if (more > 0) summaries.push(refusedRecord({ ...last, count: more }))
      counted.delete(key)
    }
    return summaries
  }
  return {
    refused(input) {
      const at = now()
      const records = [...flush()]
      const named = `${input.address}\n${input.client ?? ''}`
      const key = counted.has(named) || counted.size < keysMax ? named : '\n'
      const last: RefusedInput = key === named ? { ...input, at } : { ...input, at, address: '', client: null, why: 'several' }
      const known = counted.get(key)
      if (known === undefined) {
        counted.set(key, { second: Math.floor(at / 1000), more: 0, last })
        records.push(refusedRecord(last))
      } else {
        known.more += 1
        known.last = last
      }
      return records
    },
    flush
  }
}
