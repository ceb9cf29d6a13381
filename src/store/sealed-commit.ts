/** The write side of the sealed store: resources become sealed records with keyed terms, in one commit with their ledger entry. */
import { hash } from 'node:crypto'
import { placeOf } from '../crypto/blind-index.ts'
import { seal } from '../crypto/envelope.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import { fault } from '../model/errors.ts'
import { type Bytes, type Ref, refText, type Resource } from '../model/resource.ts'
import { eachInTurns, takingTurns } from '../model/turns.ts'
import { compartmentPatients, derivedTargets } from '../search/compartment.ts'
import { derivedFrom } from './derived.ts'
import type { IndexState } from './index-state.ts'
import { type DocumentPut, type Put, type ResourceCommit, type ResourceStore, type ResourceWrite, type Row, StoreTooCostly, type Written } from './ports.ts'
import { recordTerms } from './record-terms.ts'
import { termsUnderNewKeys } from './stored-terms.ts'
import type { SealedStoreOptions } from './sealed-options.ts'

type Read = (refs: readonly Ref[]) => Promise<readonly (Row | undefined)[]>

export function sealedCommit(options: SealedStoreOptions, index: IndexState, store: () => ResourceStore): Pick<ResourceStore, 'patientsOf' | 'commit'> {
  const read: Read = (refs) => store().read(refs)
  return {
    patientsOf: (resource, staged) => patientsOf(options.base, read, resource, staged),
    commit: (commit) => commitResources(options, index, store(), commit)
  }
}

/** Compartment patients of a resource; those of a derived type are the union over its targets, staged ones first. */
async function patientsOf(base: string, read: Read, resource: Resource, staged: (ref: Ref) => readonly string[] | undefined): Promise<readonly string[]> {
  const own = compartmentPatients(resource, base)
  const targets = derivedTargets(resource, base)
  if (targets.length === 0) return own
  const patients = new Set(own)
  const unknown: Ref[] = []
  for (const target of targets) {
    const known = staged(target)
    if (known === undefined) unknown.push(target)
    else for (const patient of known) patients.add(patient)
  }
  for (const row of unknown.length === 0 ? [] : await read(unknown)) for (const patient of row?.patients ?? []) patients.add(patient)
  return [...patients].sort()
}

async function commitResources(options: SealedStoreOptions, index: IndexState, store: ResourceStore, commit: ResourceCommit): ReturnType<ResourceStore['commit']> {
  const { records, ring, random } = options
  await ring.refresh()
  // Taken before the first key is used: another request may learn of an erasure while this one seals.
  const generation = ring.generation()
  const promised = index.promise(generation.version)
  if (promised instanceof Promise) await promised
  const staged = new Map<string, readonly string[]>()
  const turn = takingTurns()
  await eachInTurns(commit.writes, turn, (write) => void staged.set(refText(write.ref), compartmentPatients(write.resource, options.base)))
  const lookup = (ref: Ref): readonly string[] | undefined => staged.get(refText(ref))
  const settle = (): Promise<void> => eachInTurns(commit.writes, turn, async (write) => void staged.set(refText(write.ref), await store.patientsOf(write.resource, lookup)))
  await settle()
  const bonds = followBonds(options)
  const derived = await derivedFrom(store, { writes: commit.writes, staged: lookup, base: options.base, before: bonds.watch })
  if (derived.moved.length > 0 && !commit.move) throw fault(403, 'forbidden', `This change moves ${derived.moved[0]} to another patient, which needs the right to move`)
  if (derived.rows.length > 0) {
    // What this commit attaches to a record that only follows gets the patients that the record will have.
    for (const { row, patients } of derived.rows) staged.set(refText(row), patients)
    await settle()
  }
  const sealer = recordSealer(options)
  const puts: Put[] = []
  const written: Written[] = []
  await eachInTurns(commit.writes, turn, async (write) => {
    const patients = lookup(write.ref)!
    const put = await sealer.put(write, patients)
    puts.push(put)
    written.push({ ref: write.ref, version: write.expect + 1, deleted: write.deleted, patients, key: put.key, hash: sha256(put.sealed) })
  })
  const rewrites: Put[] = []
  await eachInTurns(derived.rows, turn, async ({ row, patients }) => {
    const put = await sealer.rewrite(row, patients)
    rewrites.push(put)
    // The ledger knows each record by its last sealed bytes, so bytes that change under the same version are named too.
    written.push({ ref: { type: row.type, id: row.id }, version: row.version, deleted: row.deleted, patients, key: put.key, hash: sha256(put.sealed) })
  })
  const left = await termsUnderNewKeys(options, sealer.freshKeys(), [...puts, ...rewrites].map(({ key }) => key))
  const outbox = [await commit.audit(written)]
  const expect = commit.expect.map(({ ref, version }) => ({ key: ring.recordKey(ref.type, ref.id), version }))
  const locks: DocumentPut[] = commit.locks.map(({ criteria, version }) => ({ name: ring.documentName('lock', criteria), expect: version, expires: null, sealed: random(1) }))
  const result = await costly(records.commit({
    id: random(16), expect, expectDocuments: [generation, ...left.expectDocuments, ...bonds.relied(commit.follows)], puts, rewrites, terms: left.puts, erase: [],
    documents: [...locks, ...bonds.told(commit.follows, derived.rows.map(({ row }) => row)), ...sealer.keyDocuments()], outbox
  }))
  if (result.kind === 'conflict') {
    sealer.dropped()
    ring.recheck()
    return { kind: 'conflict' }
  }
  sealer.adopted()
  return { kind: 'done', written }
}

/**
 * A record that takes its patients from a stored resource, and a commit that moves that resource, must not miss each other. Who attaches a
 * record counts up `follower` of the resource and relies on its `moved`; who moves it relies on `follower`, and counts up `moved` of what follows
 * without a new version.
 */
function followBonds({ records, ring }: SealedStoreOptions) {
  const watched = new Map<string, { name: Bytes; version: number }>()
  const counted = (name: Bytes): DocumentPut => ({ name, expect: null, expires: null, sealed: new Uint8Array(1) })
  const followerName = (ref: Ref): Bytes => ring.documentName('follower', refText(ref))
  return {
    async watch(ref: Ref): Promise<void> {
      const name = followerName(ref)
      watched.set(refText(ref), { name, version: (await records.document(name))?.version ?? 0 })
    },
    relied: (follows: ResourceCommit['follows']) => [...watched.values(), ...follows.map(({ ref, moves }) => ({ name: movedName(ring, ref), version: moves }))],
    told: (follows: ResourceCommit['follows'], followers: readonly Ref[]): readonly DocumentPut[] =>
      [...follows.map(({ ref }) => counted(followerName(ref))), ...followers.map((ref) => counted(movedName(ring, ref)))]
  }
}

export const movedName = (ring: KeyRing, ref: Ref): Bytes => ring.documentName('moved', refText(ref))

/** What is too large for the store is the client's fault, and stays so on every try. */
async function costly<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof StoreTooCostly) throw fault(413, 'too-long', 'The resource or transaction is larger than the store takes at once')
    throw error
  }
}

/** Seals resources under their patients' keys; keys made on the way are put in the same commit and adopted when it is done. */
function recordSealer(options: SealedStoreOptions) {
  const { ring, tenant, base } = options
  const made = new Map<string, { key: DataKey; document: { name: Bytes; sealed: Bytes } }>()
  async function keyOf(patient: string): Promise<DataKey> {
    const known = made.get(patient)?.key ?? (await ring.patientKey(patient))
    if (known !== undefined) return known
    const fresh = await ring.newPatientKey(patient)
    made.set(patient, fresh)
    return fresh.key
  }
  async function sealWith(resource: Resource, patients: readonly string[], place: { version: number; updated: number; deleted: boolean; body: Uint8Array }): Promise<Put> {
    const type = resource.resourceType
    const id = resource.id!
    const key = ring.recordKey(type, id)
    const keys = new Map<string, DataKey>()
    for (const patient of patients) keys.set(patient, await keyOf(patient))
    const dataKey = patients.length === 1 ? keys.get(patients[0]!)! : await ring.classKey(patients.length === 0 ? 'shared' : 'several')
    const { terms, trail } = recordTerms({ ring, base }, { resource, patients, keys: keys.values(), key, deleted: place.deleted })
    const header = { type, id, version: place.version, updated: place.updated, deleted: place.deleted, patients, labels: labelsOf(resource), references: [] }
    return {
      key, type, expect: place.version - 1, updated: place.updated, deleted: place.deleted,
      c: placeOf(ring, patients, key),
      terms, trail, sealed: seal({ header, body: place.body, key: dataKey, recordKey: key, tenant })
    }
  }
  return {
    put: (write: ResourceWrite, patients: readonly string[]) => sealWith(write.resource, patients, {
      version: write.expect + 1, updated: write.updated, deleted: write.deleted, body: write.json
    }),
    async rewrite(row: Row, patients: readonly string[]): Promise<Put> {
      const put = await sealWith(row.resource(), patients, { version: row.version, updated: row.updated, deleted: row.deleted, body: row.json })
      return { ...put, expect: row.version }
    },
    freshKeys: (): ReadonlyMap<string, DataKey> => new Map([...made].map(([patient, { key }]) => [patient, key])),
    keyDocuments: (): DocumentPut[] => [...made.values()].map(({ document }) => ({ ...document, expect: 0, expires: null })),
    adopted: () => made.forEach(({ key }) => ring.adopt(key)),
    // The keys of a refused commit were never stored; another process may have made the patient's key meanwhile.
    dropped: () => [...made.keys()].forEach((patient) => ring.forget(patient))
  }
}

function labelsOf(resource: Resource): readonly string[] {
  return (resource.meta?.security ?? []).map((label) => `${label.system ?? ''}|${label.code ?? ''}`)
}

const sha256 = (bytes: Uint8Array): Bytes => Uint8Array.from(hash('sha256', bytes, 'buffer'))

export type { KeyRing }
