import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash, randomBytes } from 'node:crypto'
import { entryOpener } from '../../src/audit/entry.ts'
import { logOf } from '../../src/audit/slot.ts'
import { unstamped } from '../../src/audit/stamp.ts'
import type { AccessInput } from '../../src/audit/record.ts'
import { type LedgerOptions, openLedger } from '../../src/audit/ledger.ts'
import { openKeyRing } from '../../src/crypto/keys.ts'
import { openFileProvider } from '../../src/crypto/providers/file.ts'
import type { Caller } from '../../src/model/caller.ts'
import type { FhirRequest, Interaction } from '../../src/model/interaction.ts'
import type { Bytes } from '../../src/model/resource.ts'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import type { Commit, Put, RecordStore, Written } from '../../src/store/ports.ts'

export const EMPTY: Omit<Commit, 'id'> = { expect: [], puts: [], rewrites: [], erase: [], documents: [], outbox: [] }
export const id16 = (): Bytes => new Uint8Array(randomBytes(16))

/** Real stores and keys in a folder of their own. `clock.ms` moves only when a test moves it. */
export async function openBench() {
  const dir = mkdtempSync(join(tmpdir(), 'ledger-'))
  const clock = { ms: 1_790_000_000_000 }
  const now = (): number => clock.ms
  const ledgerPath = join(dir, 'ledger.db')
  let records = await openSqliteStore({ path: join(dir, 'wardkeep.db'), now })
  let store = await openSqliteLedger({ path: ledgerPath, now })
  const documents = {
    get: (name: Bytes) => records.document(name),
    put: async (puts: readonly { readonly name: Bytes; readonly expect: number | null; readonly sealed: Bytes | null }[]) =>
      (await records.commit({ ...EMPTY, id: id16(), documents: puts.map((put) => ({ ...put, expires: null })) })).kind === 'done'
  }
  const ring = await openKeyRing({ provider: openFileProvider(join(dir, 'keys')), documents, tenant: 'clinic', now })
  return {
    dir, clock, now, ring, ledgerPath,
    recordsPath: join(dir, 'wardkeep.db'),
    get store() { return store },
    get records() { return records },
    ledger: (options: Partial<LedgerOptions> = {}) => openLedger({ store, records, ring, slot: 'server-1', now, intervalMs: 0, ...options }),
    /** Closes both stores, lets `change` work on the files, and opens them again. */
    async reopen(change: () => void) {
      await store.close()
      await records.close()
      change()
      records = await openSqliteStore({ path: join(dir, 'wardkeep.db'), now })
      store = await openSqliteLedger({ path: ledgerPath, now })
    },
    async close() {
      await store.close()
      await records.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

export type Bench = Awaited<ReturnType<typeof openBench>>

export const CALLER: Caller = {
  issuer: 'https://id.example.org', subject: 'u-991', client: 'client-app-7', scope: 'user/*.rs', patient: null, encounter: null, fhirUser: 'Practitioner/12',
  roles: ['physician'], purposes: ['TREAT'], jti: '5f0c', expires: 0, ceiling: null
}

export function asked(interaction: Interaction, more: Partial<FhirRequest> = {}): FhirRequest {
  return { interaction, type: 'Observation', id: null, version: null, params: [], headers: {}, body: null, requestId: 'r-1', clientRequestId: null, address: '203.0.113.9', ...more }
}

export const row = (type: string, id: string, patients: readonly string[], version = 1) => ({ type, id, version, patients })

export function reading(patient: string, id: string, more: Partial<AccessInput> = {}): AccessInput {
  return { at: 0, request: asked('read', { id }), caller: CALLER, status: 200, disclosed: [row('Observation', id, [patient])], ...more }
}

/** A put of random bytes and what the ledger is told of it. */
export function put(type: string, id: string, version: number, patients: readonly string[], bench: Bench): { put: Put; written: Written } {
  const sealed = new Uint8Array(randomBytes(64))
  const key = bench.ring.recordKey(type, id)
  const none = new Uint8Array()
  return {
    put: { key, type, expect: version - 1, updated: bench.clock.ms, deleted: false, c: new Uint8Array(4), terms: none, trail: none, sealed },
    written: { ref: { type, id }, version, deleted: false, patients, key, hash: sha(sealed) }
  }
}

export const sha = (bytes: Uint8Array): Bytes => new Uint8Array(hash('sha256', bytes, 'buffer'))

/** Request ids of the entries of a log, but for those that name heads. */
export async function requestIdsOf({ ring, store }: Bench, slot: string): Promise<readonly string[]> {
  const [log, opener] = [logOf(slot), entryOpener(ring)]
  const opened = await Promise.all((await store.entries(log, 1, 1000, 'oldest')).map(({ id, sealed }) => opener.open(log, id, unstamped(sealed))))
  return opened.filter((record) => record.heads.length === 0 && record.interaction !== 'ledger-start').map((record) => record.requestId)
}

export async function commit(records: RecordStore, parts: Partial<Commit>): Promise<void> {
  const done = await records.commit({ ...EMPTY, id: id16(), ...parts })
  if (done.kind !== 'done') throw new Error('The commit met a conflict')
}
