import { describe, expect, test } from 'vitest'
import { open, seal, SealBroken } from '../../src/crypto/envelope.ts'
import { openKeyRing, type DataKey, type KeyRing } from '../../src/crypto/keys.ts'
import { bench, hex, isExact, KeysBroken, KeysUnavailable, newKey, type Bench } from './memory-documents.ts'

const MINUTE = 60_000
const PATIENT = 'patient-with-a-telling-name'

async function erase(ring: KeyRing, place: Bench, patient: string): Promise<void> {
  const done = await place.documents.put([{ name: ring.patientKeyName(patient), expect: null, sealed: null }, await ring.generationBump()])
  expect(done).toBe(true)
  ring.forget(patient)
}

const secrets = (key: DataKey | undefined) => key && [hex(key.id), key.patient, hex(key.seal.export()), hex(key.index.export())]

describe('the first start', () => {
  test('makes branch, index and three class keys in one put; a second ring reads the same and makes none', async () => {
    const place = bench()
    const [first, second] = [await place.open(), await place.open()]
    expect(place.documents.rows.size).toBe(5)
    expect(place.documents.puts).toBe(1)
    expect(hex(second.recordKey('Patient', '1'))).toBe(hex(first.recordKey('Patient', '1')))
    for (const kind of ['shared', 'several', 'ledger'] as const) expect(secrets(await second.classKey(kind))).toEqual(secrets(await first.classKey(kind)))
    expect(new Set(await Promise.all((['shared', 'several', 'ledger'] as const).map(async (kind) => hex((await first.classKey(kind)).seal.export())))).size).toBe(3)
  })

  test('of several processes on an empty store at once one wins and all have its keys', async () => {
    const place = bench()
    const rings = await Promise.all(Array.from({ length: 5 }, () => place.open()))
    expect(place.documents.puts).toBe(1)
    expect(place.documents.refused).toBeGreaterThan(0)
    expect(place.documents.rows.size).toBe(5)
    expect(new Set(rings.map((ring) => hex(ring.recordKey('Patient', '1')))).size).toBe(1)
    expect(new Set(await Promise.all(rings.map(async (ring) => hex((await ring.classKey('shared')).seal.export())))).size).toBe(1)
  })

  test('a store that lost one of its root keys is refused, not given new ones', async () => {
    const place = bench()
    await place.open()
    const before = new Map(place.documents.rows)
    for (const name of before.keys()) {
      place.documents.rows.delete(name)
      await expect(place.open()).rejects.toBeInstanceOf(KeysBroken)
      place.documents.rows.set(name, before.get(name)!)
    }
    await expect(place.open()).resolves.toBeDefined()
  })

  test('each root key is wrapped for its tenant and its use alone', async () => {
    const place = bench()
    await place.open()
    expect([...place.provider.contexts].sort()).toEqual(['wardkeep/clinic/branch/1', 'wardkeep/clinic/index/1'])
  })

  test('another tenant’s ring on the same documents has keys of its own', async () => {
    const place = bench()
    const ring = await place.open()
    const other = await openKeyRing({ provider: place.provider, documents: place.documents, tenant: 'other', now: () => place.clock.ms })
    expect(hex(other.recordKey('Patient', '1'))).not.toBe(hex(ring.recordKey('Patient', '1')))
    expect(place.documents.rows.size).toBe(10)
  })

  test('an epoch that is no byte is refused', async () => {
    const place = bench()
    for (const epoch of [0, 256, 1.5]) {
      await expect(openKeyRing({ provider: place.provider, documents: place.documents, tenant: 'clinic', now: () => place.clock.ms, epoch })).rejects.toThrow(RangeError)
    }
  })
})

describe('a patient’s key', () => {
  test('is absent, then made once, read by another ring, the same by patient and by id, at once when cached', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    expect(await ring.patientKey(PATIENT)).toBeUndefined()
    const key = await newKey(ring, place.documents, PATIENT)
    expect(ring.patientKey(PATIENT)).toBe(key)
    expect(ring.keyById(key.id)).toBe(key)
    const loaded = other.patientKey(PATIENT)
    expect(loaded).toBeInstanceOf(Promise)
    expect(secrets(await loaded)).toEqual(secrets(key))
    expect(secrets(other.keyById(key.id) as DataKey)).toEqual(secrets(key))
    expect(hex(key.id)).toBe(hex(ring.patientKeyName(PATIENT)))
    expect(hex(key.seal.export())).not.toBe(hex(key.index.export()))
  })

  test('of two made at once only the committed one is kept', async () => {
    const place = bench()
    const ring = await place.open()
    const [a, b] = [await ring.newPatientKey(PATIENT), await ring.newPatientKey(PATIENT)]
    expect(hex(a.key.id)).toBe(hex(b.key.id))
    expect(hex(a.key.seal.export())).not.toBe(hex(b.key.seal.export()))
    expect(await place.documents.put([{ ...a.document, expect: 0 }])).toBe(true)
    expect(await place.documents.put([{ ...b.document, expect: 0 }])).toBe(false)
    expect(secrets(await ring.patientKey(PATIENT))).toEqual(secrets(a.key))
  })

  test('no document holds the patient id, nor does its name or length tell it', async () => {
    const place = bench()
    const ring = await place.open()
    await newKey(ring, place.documents, PATIENT)
    await newKey(ring, place.documents, 'x')
    await newKey(ring, place.documents, 'y'.repeat(64))
    for (const [name, { sealed }] of place.documents.rows) {
      expect(Buffer.from(name, 'hex').includes(PATIENT.slice(0, 8))).toBe(false)
      expect(Buffer.from(sealed).includes(PATIENT.slice(0, 8))).toBe(false)
    }
    const lengths = [PATIENT, 'x', 'y'.repeat(64)].map((patient) => place.documents.rows.get(hex(ring.patientKeyName(patient)))!.sealed.length)
    expect(new Set(lengths).size).toBe(1)
    await expect(ring.newPatientKey('y'.repeat(65))).rejects.toThrow(RangeError)
    await expect(ring.newPatientKey('')).rejects.toThrow(RangeError)
  })

  test('a patient called like a class has a key of its own', async () => {
    const place = bench()
    const ring = await place.open()
    const key = await newKey(ring, place.documents, 'shared')
    expect(hex(key.id)).not.toBe(hex((await ring.classKey('shared')).id))
    expect(key.patient).toBe('shared')
    expect((await ring.classKey('shared')).patient).toBeNull()
  })

  test('a changed bit anywhere in its document, and another patient’s document in its place, are found', async () => {
    const place = bench()
    const maker = await place.open()
    const [anna, bert] = [await newKey(maker, place.documents, 'anna'), await newKey(maker, place.documents, 'bert')]
    const row = place.documents.rows.get(hex(anna.id))!
    const good = row.sealed
    const ring = await place.open()
    for (let index = 0; index < good.length; index++) {
      row.sealed = Uint8Array.from(good, (byte, i) => (i === index ? byte ^ 0x10 : byte))
      await expect(ring.patientKey('anna')).rejects.toBeInstanceOf(SealBroken)
    }
    for (const bad of [place.documents.rows.get(hex(bert.id))!.sealed, good.slice(0, -1), new Uint8Array(0)]) {
      row.sealed = bad
      await expect(ring.patientKey('anna')).rejects.toBeInstanceOf(SealBroken)
    }
    row.sealed = good
    expect(secrets(await ring.patientKey('anna'))).toEqual(secrets(anna))
  })

  test('many questions at once are one read', async () => {
    const place = bench()
    await newKey(await place.open(), place.documents, 'anna')
    const ring = await place.open()
    place.documents.reads = []
    const keys = await Promise.all(Array.from({ length: 20 }, () => ring.patientKey('anna')))
    expect(new Set(keys).size).toBe(1)
    expect(place.documents.reads.length).toBe(1)
  })

  test('the cache is bounded in number', async () => {
    const place = bench()
    const ring = await openKeyRing({ provider: place.provider, documents: place.documents, tenant: 'clinic', now: () => place.clock.ms, cacheMax: 4 })
    for (let i = 0; i < 6; i++) await newKey(ring, place.documents, `p${i}`)
    expect(ring.patientKey('p5')).not.toBeInstanceOf(Promise)
    expect(ring.patientKey('p0')).toBeInstanceOf(Promise)
    expect((await ring.patientKey('p0'))?.patient).toBe('p0')
  })

  test('names, keys and documents are exact bytes', async () => {
    const place = bench()
    const ring = await place.open()
    const { key, document } = await ring.newPatientKey('anna')
    const bump = await ring.generationBump()
    const small = ring.sealSmall('a', key.id)
    const made = [key.id, document.name, document.sealed, bump.name, bump.sealed, small, ring.openSmall('a', small)!]
    expect([...made, ring.recordKey('A', 'b'), ring.documentName('a', 'b'), ring.patientKeyName('a')].every(isExact)).toBe(true)
    expect([...place.documents.rows.values()].every(({ sealed }) => isExact(sealed))).toBe(true)
    expect([key.id.length, ring.recordKey('A', 'b').length, ring.documentName('a', 'b').length]).toEqual([16, 16, 16])
  })
})

describe('erasure', () => {
  test('a second ring has the key until its next refresh and then neither by id nor by patient', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    const { id } = await newKey(ring, place.documents, 'anna')
    const bert = await newKey(ring, place.documents, 'bert')
    await other.patientKey('anna')
    await erase(ring, place, 'anna')
    expect(await ring.patientKey('anna')).toBeUndefined()
    expect(await other.keyById(id)).toBeDefined()
    place.clock.ms += 1000
    await other.refresh()
    expect(await other.keyById(id)).toBeUndefined()
    expect(await other.patientKey('anna')).toBeUndefined()
    expect(secrets(await other.patientKey('bert'))).toEqual(secrets(bert))
  })

  test('a record of an erased patient opens to undefined, one with a key id that was never ours is broken', async () => {
    const place = bench()
    const ring = await place.open()
    const key = await newKey(ring, place.documents, 'anna')
    const recordKey = ring.recordKey('Observation', '1')
    const header = { type: 'Observation', id: '1', version: 1, updated: 0, deleted: false, patients: ['anna'], labels: [], references: [] }
    const sealed = seal({ header, body: new Uint8Array(9), key, recordKey, tenant: 'clinic' })
    const input = { sealed, recordKey, type: 'Observation', version: 1, tenant: 'clinic', ring }
    expect(await open(input)).toBeDefined()
    await erase(ring, place, 'anna')
    expect(await open(input)).toBeUndefined()
    sealed[2]! ^= 1
    await expect(open(input)).rejects.toBeInstanceOf(SealBroken)
  })

  test('a record under a key made anew opens at once in a ring that still has the erased one, and then nothing under that one does', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    const recordKey = ring.recordKey('Observation', '1')
    const header = { type: 'Observation', id: '1', version: 1, updated: 0, deleted: false, patients: ['anna'], labels: [], references: [] }
    const opening = (key: DataKey) => ({ sealed: seal({ header, body: new Uint8Array(9), key, recordKey, tenant: 'clinic' }), recordKey, type: 'Observation', version: 1, tenant: 'clinic', ring: other })
    const before = opening(await newKey(ring, place.documents, 'anna'))
    expect(await open(before)).toBeDefined()
    await erase(ring, place, 'anna')
    const fresh = await newKey(ring, place.documents, 'anna')
    const after = opening(fresh)
    const { drops } = other
    expect((await open(after))?.header).toEqual(header)
    expect(other.drops).toBeGreaterThan(drops)
    const held = other.keyById(fresh.id)
    expect(secrets(held as DataKey)).toEqual(secrets(fresh))
    const since = other.drops
    expect(await open(before)).toBeUndefined()
    expect([other.keyById(fresh.id), other.drops]).toEqual([held, since])
    const name = hex(fresh.id)
    const document = place.documents.rows.get(name)!
    place.documents.rows.set(name, { ...document, sealed: document.sealed.slice(0, 12) })
    await expect(open(before)).rejects.toBeInstanceOf(SealBroken)
    place.documents.rows.delete(name)
    expect(await open(before)).toBeUndefined()
    expect(await other.keyById(fresh.id)).toBeUndefined()
  })

  test('a record under a key made anew opens also while the erased one is being read, for all who ask at once', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    const recordKey = ring.recordKey('Observation', '1')
    const header = { type: 'Observation', id: '1', version: 1, updated: 0, deleted: false, patients: ['anna'], labels: [], references: [] }
    await newKey(ring, place.documents, 'anna')
    const answers: Promise<unknown>[] = []
    place.documents.onGet = async () => {
      place.documents.onGet = null
      await erase(ring, place, 'anna')
      const key = await newKey(ring, place.documents, 'anna')
      const input = { sealed: seal({ header, body: new Uint8Array(9), key, recordKey, tenant: 'clinic' }), recordKey, type: 'Observation', version: 1, tenant: 'clinic', ring: other }
      for (let i = 0; i < 3; i++) answers.push(Promise.resolve(open(input)).then((opened) => opened?.header))
    }
    await other.patientKey('anna')
    expect(await Promise.all(answers)).toEqual([header, header, header])
    expect(secrets(await other.patientKey('anna'))).toEqual(secrets(await ring.patientKey('anna')))
  })

  test('a key that was read before an erasure and arrives after it is not kept', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    await newKey(ring, place.documents, 'anna')
    let erased = false
    place.documents.onGet = async () => {
      if (erased) return
      erased = true
      await erase(ring, place, 'anna')
      place.clock.ms += 1000
      await other.refresh()
    }
    expect(await other.patientKey('anna')).toBeUndefined()
    expect(erased).toBe(true)
  })

  test('a key made before an erasure and adopted after it is not kept', async () => {
    const place = bench()
    const ring = await place.open()
    const { key, document } = await ring.newPatientKey('anna')
    await place.documents.put([{ ...document, expect: 0 }])
    await erase(ring, place, 'anna')
    ring.adopt(key)
    expect(await ring.patientKey('anna')).toBeUndefined()
  })

  test('the generation is read at most once a second, by one of many who ask at once; two bumps at once conflict', async () => {
    const place = bench()
    const ring = await place.open()
    place.documents.reads = []
    for (let i = 0; i < 5; i++) await ring.refresh()
    expect(place.documents.reads.length).toBe(0)
    place.clock.ms += 1000
    await Promise.all([ring.refresh(), ring.refresh(), ring.refresh()])
    expect(place.documents.reads.length).toBe(1)
    const [a, b] = [await ring.generationBump(), await ring.generationBump()]
    expect(await place.documents.put([a])).toBe(true)
    expect(await place.documents.put([b])).toBe(false)
    expect(await place.documents.put([await ring.generationBump()])).toBe(true)
  })

  test('a forged generation stops the answer, and a failed read is tried again at once', async () => {
    const place = bench()
    const ring = await place.open()
    const bump = await ring.generationBump()
    await place.documents.put([{ ...bump, sealed: Uint8Array.from(bump.sealed, (byte, i) => (i === 30 ? byte ^ 1 : byte)) }])
    place.clock.ms += 1000
    await expect(ring.refresh()).rejects.toBeInstanceOf(KeysBroken)
    await expect(ring.refresh()).rejects.toBeInstanceOf(KeysBroken)
    place.documents.rows.delete(hex(bump.name))
    await expect(ring.refresh()).resolves.toBeUndefined()
  })
})

describe('rotation of the KEK', () => {
  test('rewrites the two branch documents and nothing else; old records, names and terms stay', async () => {
    const place = bench()
    const ring = await place.open()
    const key = await newKey(ring, place.documents, 'anna')
    const recordKey = ring.recordKey('Observation', '1')
    const before = place.documents.snapshot()
    expect(await ring.rotate()).toEqual({ branchKeys: 2 })
    const after = place.documents.snapshot()
    const changed = [...before.keys()].filter((name) => after.get(name) !== before.get(name))
    expect(changed.length).toBe(2)
    expect(after.size).toBe(before.size)
    expect(changed).not.toContain(hex(key.id))
    const later = await place.open()
    expect(secrets(await later.patientKey('anna'))).toEqual(secrets(key))
    expect(hex(later.recordKey('Observation', '1'))).toBe(hex(recordKey))
    place.clock.ms += 16 * MINUTE
    expect(secrets(await ring.patientKey('anna'))).toEqual(secrets(key))
  })

  test('by several processes at once all succeed', async () => {
    const place = bench()
    const rings = [await place.open(), await place.open(), await place.open()]
    const name = hex(rings[0]!.recordKey('A', 'b'))
    await Promise.all(rings.map((ring) => ring.rotate()))
    expect(hex((await place.open()).recordKey('A', 'b'))).toBe(name)
  })
})

describe('an outage of the provider', () => {
  test('is bridged by what is cached for 15 minutes, then every key is unavailable, then it mends', async () => {
    const place = bench()
    const ring = await place.open()
    const key = await newKey(ring, place.documents, 'anna')
    place.provider.down = true
    place.clock.ms += 15 * MINUTE - 1
    await ring.refresh()
    expect(ring.patientKey('anna')).toBe(key)
    expect(await ring.newPatientKey('bert')).toBeDefined()
    place.clock.ms += 1001
    await expect(ring.refresh()).rejects.toBeInstanceOf(KeysUnavailable)
    await expect(ring.patientKey('anna')).rejects.toBeInstanceOf(KeysUnavailable)
    await expect(ring.keyById(key.id)).rejects.toBeInstanceOf(KeysUnavailable)
    await expect(ring.newPatientKey('bert')).rejects.toBeInstanceOf(KeysUnavailable)
    await expect(ring.classKey('shared')).rejects.toBeInstanceOf(KeysUnavailable)
    const error = await (ring.refresh() as Promise<unknown>).catch((thrown: unknown) => thrown)
    expect((error as Error).message).not.toContain('kms.example')
    place.provider.down = false
    await ring.refresh()
    expect(secrets(await ring.patientKey('anna'))).toEqual(secrets(key))
  })

  test('the branch key is renewed ahead of time, so an outage is bridged for seven minutes at least', async () => {
    const place = bench()
    const ring = await place.open()
    const before = place.provider.unwraps
    place.clock.ms += 14 * MINUTE
    await ring.refresh()
    await new Promise((done) => setImmediate(done))
    expect(place.provider.unwraps).toBe(before + 1)
    place.provider.down = true
    place.clock.ms += 7 * MINUTE
    await ring.refresh()
    expect(await ring.classKey('shared')).toBeDefined()
  })

  test('a data key does not outlive the branch key that opened it, and a clock set back ends the cache', async () => {
    const place = bench()
    const ring = await place.open()
    place.clock.ms += 14 * MINUTE
    await newKey(ring, place.documents, 'anna')
    place.provider.down = true
    expect(await ring.patientKey('anna')).toBeDefined()
    place.clock.ms += 61_000
    await expect(ring.patientKey('anna')).rejects.toBeInstanceOf(KeysUnavailable)
    place.clock.ms -= 60 * MINUTE
    await expect(ring.patientKey('anna')).rejects.toBeInstanceOf(KeysUnavailable)
  })

  test('at start there is no ring', async () => {
    const place = bench()
    place.provider.down = true
    await expect(place.open()).rejects.toBeInstanceOf(KeysUnavailable)
    expect(place.documents.rows.size).toBe(0)
    place.provider.down = false
    await expect(place.open()).resolves.toBeDefined()
  })

  test('an altered branch document is refused, whichever byte', async () => {
    const place = bench()
    await place.open()
    const rows = [...place.documents.rows.values()].slice(0, 2)
    for (const row of rows) {
      const good = row.sealed
      for (let index = 0; index < good.length; index++) {
        row.sealed = Uint8Array.from(good, (byte, i) => (i === index ? byte ^ 1 : byte))
        await expect(place.open()).rejects.toBeInstanceOf(KeysBroken)
      }
      row.sealed = good
    }
    const [branch, index] = rows as [typeof rows[0] & object, typeof rows[0] & object]
    ;[branch.sealed, index.sealed] = [index.sealed, branch.sealed]
    await expect(place.open()).rejects.toBeInstanceOf(KeysBroken)
  })
})

describe('small sealed values', () => {
  test('open for their label in every ring of the store, and for nothing else', async () => {
    const place = bench()
    const [ring, other] = [await place.open(), await place.open()]
    const plain = new Uint8Array([1, 2, 3])
    const sealed = ring.sealSmall('page', plain)
    expect(hex(other.openSmall('page', sealed)!)).toBe('010203')
    expect(ring.openSmall('token', sealed)).toBeUndefined()
    expect((await bench().open()).openSmall('page', sealed)).toBeUndefined()
    for (let index = 0; index < sealed.length; index++) {
      expect(ring.openSmall('page', Uint8Array.from(sealed, (byte, i) => (i === index ? byte ^ 1 : byte)))).toBeUndefined()
      expect(ring.openSmall('page', sealed.subarray(0, index))).toBeUndefined()
    }
    expect(ring.openSmall('empty', ring.sealSmall('empty', new Uint8Array(0)))?.length).toBe(0)
  })

  test('keys for records, documents, terms and the ledger chain are all different', async () => {
    const ring = await bench().open()
    expect(hex(ring.linkKey().export())).not.toBe(hex(ring.terms.export()))
    expect(hex(ring.recordKey('a', 'b'))).not.toBe(hex(ring.documentName('a', 'b')))
    expect(hex(ring.recordKey('ab', 'c'))).not.toBe(hex(ring.recordKey('a', 'bc')))
    expect(hex(ring.documentName('ab', 'c'))).not.toBe(hex(ring.documentName('a', 'bc')))
  })
})
