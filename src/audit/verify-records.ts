/** Compares every record of the store with what the ledger says was written. */
import { createHash } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'
import type { RecordStore, Stored } from '../store/ports.ts'
import { type LastWrites, short } from './last-writes.ts'
import { hex } from './record.ts'
import type { Findings } from './verify.ts'

export interface CheckOptions {
  readonly records: RecordStore
  readonly writes: LastWrites
  readonly versions: boolean
  readonly findings: Findings
  /** Takes in entries that were made while this ran. */
  readonly catchUp: () => Promise<void>
}

const PAGE = 500

export async function checkRecords(options: CheckOptions): Promise<{ readonly records: number; readonly erased: number }> {
  const { records, writes } = options
  const present = new Set<string>()
  const doubtful: Bytes[] = []
  let compared = 0
  for (let after: Bytes | null = null; ;) {
    const page: readonly Stored[] = await records.scan(after, PAGE)
    for (const stored of page) {
      present.add(short(stored.key))
      compared += 1
      if (faultOf(stored, writes) !== null || (options.versions && stored.version > 1 && (await versionFault(records, stored, writes)) !== null)) doubtful.push(stored.key)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    after = last.key
  }
  let erased = 0
  for (const [name, write] of writes.keys()) {
    if (present.has(name)) continue
    if (write.erased) erased += 1
    else doubtful.push(new Uint8Array(Buffer.from(name, 'latin1')))
  }
  if (doubtful.length > 0) await judge(options, doubtful)
  return { records: compared, erased }
}

/** A second look at what did not agree, after taking in what was written meanwhile. */
async function judge({ records, writes, versions, findings, catchUp }: CheckOptions, doubtful: readonly Bytes[]): Promise<void> {
  for (let at = 0; at < doubtful.length; at += PAGE) {
    const keys = doubtful.slice(at, at + PAGE)
    const found = await records.get(keys)
    await catchUp()
    for (const [index, key] of keys.entries()) {
      const stored = found[index]
      const write = writes.last(key)
      const fault = stored !== undefined
        ? faultOf(stored, writes) ?? (versions && stored.version > 1 ? await versionFault(records, stored, writes) : null)
        : write === undefined || write.erased ? null : 'is missing, and no erasure names it'
      if (fault !== null) findings.tampered(`Record ${hex(key)} ${fault}`)
    }
  }
}

function faultOf(stored: Stored, writes: LastWrites): string | null {
  const write = writes.last(stored.key)
  if (write === undefined) return 'has no entry in the ledger'
  if (write.erased) return 'is there although it was erased'
  if (stored.version < write.version) return `was rolled back from version ${write.version} to ${stored.version}`
  if (stored.version > write.version) return `has a version ${stored.version} without an entry in the ledger`
  return write.hashes.includes(hashOf(stored)) ? null : 'does not hold the bytes that were written'
}

async function versionFault(records: RecordStore, stored: Stored, writes: LastWrites): Promise<string | null> {
  for (let before: number | null = stored.version; before !== null;) {
    const page: readonly Stored[] = await records.versions(stored.key, before, 100)
    for (const old of page) {
      if (writes.version(old.key, old.version)?.has(hashOf(old)) === false) return `does not hold the bytes that were written as version ${old.version}`
      if (old.version !== before - 1) return `lacks version ${before - 1}`
      before = old.version
    }
    if (page.length === 0) return before === 1 ? null : `lacks version ${before - 1}`
  }
  return null
}

const hashOf = (stored: Stored): string => short(createHash('sha256').update(stored.sealed).digest())
