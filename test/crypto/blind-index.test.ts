import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import * as index from '../../src/crypto/blind-index.ts'
import { openKeyRing, type DataKey, type KeyRing } from '../../src/crypto/keys.ts'
import { bench, hex, isExact, newKey } from './memory-documents.ts'

const ask = { code: 'code', value: 'http://loinc.org|8867-4' }
let ring: KeyRing
let ring2: KeyRing
let anna: DataKey
let bert: DataKey
let shared: DataKey

beforeAll(async () => {
  const place = bench()
  ring = await place.open()
  ring2 = await openKeyRing({ provider: place.provider, documents: place.documents, tenant: 'clinic', now: () => place.clock.ms, epoch: 2 })
  anna = await newKey(ring, place.documents, 'anna')
  bert = await newKey(ring, place.documents, 'bert')
  shared = await ring.classKey('shared')
})

const all = (of: KeyRing, type: string, patient: DataKey) => {
  const name = patient.patient!
  return [
    index.patientTerm(of, type, name), index.onlyTerm(of, type, name), index.anyTypeTerm(of, name), index.typeTerm(of, type),
    index.populationTerm(of, type, ask), index.populationTerm(of, type, { code: 'codehttp', value: '://loinc.org|8867-4' }),
    index.populationTerm(of, type, { code: type, value: name }), index.populationTerm(of, 'patient', { code: type, value: name }),
    ...index.patientLevelTerms(of, patient, type, ask)
  ]
}

describe('terms', () => {
  test('are 16 exact bytes; a patient’s begin with the 4 of the patient, and the epoch stands at its place', () => {
    const prefix = index.patientPrefix(ring, 'anna')
    expect(prefix.length).toBe(4)
    expect(isExact(prefix)).toBe(true)
    for (const term of all(ring, 'Observation', anna)) {
      expect(term.length).toBe(16)
      expect(isExact(term)).toBe(true)
    }
    for (const term of [index.patientTerm(ring, 'X', 'anna'), index.onlyTerm(ring, 'X', 'anna'), index.anyTypeTerm(ring, 'anna'), ...index.patientLevelTerms(ring, anna, 'X', ask)]) {
      expect(hex(term.subarray(0, 4))).toBe(hex(prefix))
      expect(term[4]).toBe(1)
    }
    expect(index.populationTerm(ring, 'X', ask)[0]).toBe(1)
    expect(hex(index.patientPrefix(ring, 'bert'))).not.toBe(hex(prefix))
  })

  test('a record lies with its one patient, with all that name several, or by its own key, and a search of a patient names both of its places', () => {
    const key = new Uint8Array(16).fill(9)
    const placed = (...patients: readonly string[]): string => hex(index.placeOf(ring, patients, key))
    expect([placed(), placed('anna')]).toEqual(['09090909', hex(index.patientPrefix(ring, 'anna'))])
    expect(placed('anna', 'bert')).toBe(placed('carl', 'dora', 'eve'))
    expect(new Set([placed(), placed('anna'), placed('bert'), placed('anna', 'bert')]).size).toBe(4)
    expect(index.placesOf(ring, ['anna']).map(hex)).toEqual([placed('anna'), placed('anna', 'bert')])
    // A new epoch of the terms moves nothing to another shard.
    expect(hex(index.placeOf(ring2, ['anna', 'bert'], key))).toBe(placed('anna', 'bert'))
  })

  test('no two kinds, types, patients, values or epochs share one, nor its digest', () => {
    const terms = [ring, ring2].flatMap((of) => ['Observation', 'Condition'].flatMap((type) => [anna, bert].flatMap((patient) => all(of, type, patient))))
    const digests = terms.map((term) => hex(term.subarray(5)))
    // What is of no patient is equal for both, and any-type terms are equal for both types.
    const equal = 2 * 2 * 3 + 2 * 2
    expect(new Set(terms.map(hex)).size).toBe(terms.length - equal)
    expect(new Set(digests).size).toBe(terms.length - equal)
  })

  test('are equal when asked again, and a caller who changes one changes no other', () => {
    const first = all(ring, 'Observation', anna)
    const texts = first.map(hex)
    first.forEach((term) => term.fill(0))
    index.patientPrefix(ring, 'anna').fill(0)
    expect(all(ring, 'Observation', anna).map(hex)).toEqual(texts)
  })

  test('are the HMACs that the docs say', () => {
    const text = (parts: string[]) => parts.map((part) => `${part.length}:${part}`).join('')
    const population = createHmac('sha256', ring.terms).update(text(['population', 'Observation', ask.code, ask.value, '1'])).digest()
    expect(hex(index.populationTerm(ring, 'Observation', ask))).toBe(`01${population.subarray(0, 15).toString('hex')}`)
    const level = createHmac('sha512', anna.index).update(text(['patient level', '2', '1', 'Observation', ask.code, ask.value])).digest()
    expect(hex(index.patientLevelTerms(ring, anna, 'Observation', ask)[9]!.subarray(5))).toBe(level.subarray(16, 27).toString('hex'))
  })

  test('an earlier epoch can be asked for while terms are being rewritten', () => {
    expect(hex(index.populationTerm(ring2, 'Observation', ask, 1))).toBe(hex(index.populationTerm(ring, 'Observation', ask)))
    expect(index.patientLevelTerms(ring2, anna, 'Observation', ask, 1).map(hex)).toEqual(index.patientLevelTerms(ring, anna, 'Observation', ask).map(hex))
    expect(index.populationTerm(ring2, 'Observation', ask)[0]).toBe(2)
  })

  test('another store’s terms have nothing in common', async () => {
    const other = await bench().open()
    expect(hex(index.populationTerm(other, 'Observation', ask))).not.toBe(hex(index.populationTerm(ring, 'Observation', ask)))
    expect(hex(index.patientPrefix(other, 'anna'))).not.toBe(hex(index.patientPrefix(ring, 'anna')))
    expect(hex(other.recordKey('Patient', 'anna'))).not.toBe(hex(ring.recordKey('Patient', 'anna')))
  })
})

describe('patient-level terms', () => {
  test('two patients with the same code share none, beyond the prefix too', () => {
    const [a, b] = [anna, bert].map((key) => index.patientLevelTerms(ring, key, 'Observation', ask).map((term) => hex(term.subarray(5))))
    expect(new Set([...a!, ...b!]).size).toBe(32)
  })

  test('the term of a record is one of the 16 that a query asks, and always the same one', () => {
    const asked = index.patientLevelTerms(ring, anna, 'Observation', ask).map(hex)
    for (let i = 0; i < 50; i++) {
      const recordKey = ring.recordKey('Observation', String(i))
      const term = hex(index.patientLevelTerm(ring, anna, 'Observation', ask, recordKey))
      expect(asked).toContain(term)
      expect(hex(index.patientLevelTerm(ring, anna, 'Observation', ask, Uint8Array.from(recordKey)))).toBe(term)
    }
  })

  test('records take all 16 about equally often, and not by a byte of their key that the database sees', () => {
    const counts = new Map<string, number>()
    const pairs = new Set<string>()
    for (let i = 0; i < 3200; i++) {
      const recordKey = ring.recordKey('Observation', `record-${i}`)
      const term = hex(index.patientLevelTerm(ring, anna, 'Observation', ask, recordKey))
      counts.set(term, (counts.get(term) ?? 0) + 1)
      for (const byte of [0, 15]) pairs.add(`${byte} ${recordKey[byte]! & 15} ${term}`)
    }
    expect(counts.size).toBe(16)
    // χ² with 15 degrees of freedom passes 60 once in 2 million times.
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)
    expect(chi).toBeLessThan(60)
    expect(pairs.size).toBe(2 * 16 * 16)
  })

  test('a class key has none', () => {
    expect(() => index.patientLevelTerms(ring, shared, 'Observation', ask)).toThrow(RangeError)
    expect(() => index.patientLevelTerm(ring, shared, 'Observation', ask, ring.recordKey('Observation', '1'))).toThrow(RangeError)
  })
})

describe('packing', () => {
  test('sorts and drops what is double; nothing gives nothing', () => {
    const terms = [3, 1, 2, 1, 3].map((byte) => new Uint8Array(16).fill(byte))
    const packed = index.packTerms(terms)
    expect([...packed].filter((_, i) => i % 16 === 0)).toEqual([1, 2, 3])
    expect(packed.length).toBe(48)
    expect(isExact(packed)).toBe(true)
    expect(index.packTerms([]).length).toBe(0)
  })

  test('orders as the bytes do, not as signed numbers or text', () => {
    const terms = Array.from({ length: 200 }, (_, i) => index.populationTerm(ring, 'X', { code: 'c', value: String(i) }))
    const packed = index.packTerms(terms)
    const texts = Array.from({ length: 200 }, (_, i) => hex(packed.subarray(i * 16, i * 16 + 16)))
    expect(texts).toEqual(terms.map(hex).sort())
  })
})
