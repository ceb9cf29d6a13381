/** Every access record of a place: those in the logs, and those of writes that wait to be numbered. */
import { entryOpener, logOfEntry } from '../../src/audit/entry.ts'
import type { AccessRecord } from '../../src/audit/record.ts'
import { unstamped } from '../../src/audit/stamp.ts'
import { OUTBOX_MAX } from '../../src/store/ports.ts'
import type { System } from '../../src/system.ts'

export async function accessRecords({ records, ledgerStore, ring }: System): Promise<readonly AccessRecord[]> {
  const opener = entryOpener(ring)
  const found: AccessRecord[] = []
  // Waiting entries first: what is numbered in between is then found in the log.
  for (const { id, sealed } of await records.outbox(OUTBOX_MAX)) found.push(await opener.open(logOfEntry(sealed)!, id, sealed))
  for (const log of await ledgerStore.logs()) {
    for (let from = 1; ;) {
      const batch = await ledgerStore.entries(log, from, 1000, 'oldest')
      for (const { id, sealed } of batch) found.push(await opener.open(log, id, unstamped(sealed)))
      const last = batch.at(-1)
      if (last === undefined) break
      from = last.seq + 1
    }
  }
  return found
}
