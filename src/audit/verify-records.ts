/** Compares every record of the store with what the ledger says was written. */
import { createHash } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'
import type { RecordStore, Stored } from '../store/ports.ts'
import type { Findings } from './findings.ts'
import { type LastWrites, short } from './last-writes.ts'
import { hex } from './record.ts'

export interface CheckOptions {
  readonly records: RecordStore
  readonly writes: LastWrites
  readonly versions: boolean
  readonly findings: Findings
  readonly openFault: (stored: Stored) => Promise<string | null>
  /** Takes in entries that were made while this ran. */
  readonly catchUp: () => Promise<void>
}

const PAGE = 500
const LOOKS = 3

export async function checkRecords(options: CheckOptions): Promise<{ readonly records: number; readonly erased: number }> {
  const { records, writes } = options
  const present = new Set<string>()
  const doubtful: Bytes[] = []
  for (let after: Bytes | null = null; ;) {
    const page: readonly Stored[] = await records.scan(after, PAGE)
    for (const stored of page) {
      present.add(short(stored.key))
      if ((await faultOf(options, stored.key, stored)) !== null) doubtful.push(stored.key)
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last.key
  }
  let erased = 0
  for (const [name, write] of writes.keys()) {
    if (present.has(name)) continue
    if (write.hash === null) erased += 1
    else doubtful.push(new Uint8Array(Buffer.from(name, 'latin1')))
  }
  for (let at = 0; at < doubtful.length; at += PAGE) await judge(options, doubtful.slice(at, at + PAGE))
  return { records: present.size, erased }
}

/** Further looks at what did not agree: a write in between makes a record and the ledger differ for a moment. */
async function judge(options: CheckOptions, doubtful: readonly Bytes[]): Promise<void> {
  let faults = new Map<Bytes, string>()
  for (let look = 0, keys = doubtful; look < LOOKS && keys.length > 0; look++, keys = [...faults.keys()]) {
    const before = await options.records.get(keys)
    await options.catchUp()
    const after = await options.records.get(keys)
    faults = new Map()
    for (const [index, key] of keys.entries()) {
      const fault = (await faultOf(options, key, before[index])) === null ? null : await faultOf(options, key, after[index])
      if (fault !== null) faults.set(key, fault)
    }
  }
  for (const [key, fault] of faults) options.findings.tampered(`Record ${hex(key)} ${fault}`)
}

async function faultOf({ records, writes, versions, openFault }: CheckOptions, key: Bytes, stored: Stored | undefined): Promise<string | null> {
  const write = writes.last(key)
  if (stored === undefined) return write === undefined || write.hash === null ? null : 'is missing, and no erasure names it'
  if (write === undefined) return 'has no entry in the ledger'
  if (write.hash === null) return 'is there although it was erased'
  if (stored.version < write.version) return `was rolled back from version ${write.version} to ${stored.version}`
  if (stored.version > write.version) return `has a version ${stored.version} without an entry in the ledger`
  if (write.hash !== hashOf(stored)) return 'does not hold the bytes that were written'
  return (await openFault(stored)) ?? (versions && stored.version > 1 ? versionFault(records, stored, writes) : null)
}

async function versionFault(records: RecordStore, stored: Stored, writes: LastWrites): Promise<string | null> {
  let before = stored.version
  while (before > 1) {
    const page = await records.versions(stored.key, before, 100)
    for (const old of page) {
      if (old.version !== before - 1) break
      if (writes.version(old.key, old.version)?.has(hashOf(old)) === false) return `does not hold the bytes that were written as version ${old.version}`
      before = old.version
    }
    if (before > 1 && page.at(-1)?.version !== before) return `lacks version ${before - 1}`
  }
  return null
}

const hashOf = (stored: Stored): string => short(createHash('sha256').update(stored.sealed).digest())
