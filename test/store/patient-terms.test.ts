import { expect, test } from 'vitest'
import { patientLevelTerms } from '../../src/crypto/blind-index.ts'
import type { TermAsk } from '../../src/search/query.ts'
import { patientTerms } from '../../src/store/patient-terms.ts'
import { bench, hex, newKey } from '../crypto/memory-documents.ts'

const pulse: TermAsk = { level: 'patient', code: 'code', value: 't:8867-4' }
const june: TermAsk = { level: 'patient', code: 'date', value: 'd:2024-06' }

test('are those of all asks, and the same array where the same is asked under the same key', async () => {
  const { open, documents } = bench()
  const ring = await open()
  const [anna, bert] = [await newKey(ring, documents, 'anna'), await newKey(ring, documents, 'bert')]
  const first = patientTerms(ring, anna, 'Observation', [pulse, june])
  expect(first.map(hex)).toEqual([...patientLevelTerms(ring, anna, 'Observation', pulse), ...patientLevelTerms(ring, anna, 'Observation', june)].map(hex))
  expect(patientTerms(ring, anna, 'Observation', [pulse, june])).toBe(first)
  const others = [
    patientTerms(ring, bert, 'Observation', [pulse, june]), patientTerms(ring, anna, 'Condition', [pulse, june]), patientTerms(ring, anna, 'Observation', [pulse]),
    patientTerms(ring, anna, 'Observation', [{ ...pulse, code: 'combo-code' }, june]), patientTerms(ring, anna, 'Observation', [{ ...pulse, value: 't:8867-5' }, june])
  ]
  for (const other of others) expect(other.map(hex)).not.toEqual(first.map(hex))
})

test('of an erased patient go, and another key of the same name makes others', async () => {
  const { open, documents } = bench()
  const ring = await open()
  const before = await newKey(ring, documents, 'anna')
  const [first, kept] = [patientTerms(ring, before, 'Observation', [pulse]), patientTerms(ring, before, 'Observation', [june])]
  documents.rows.delete(hex(ring.patientKeyName('anna')))
  ring.forget('anna')
  const after = await newKey(ring, documents, 'anna')
  expect(hex(after.id)).toBe(hex(before.id))
  const second = patientTerms(ring, after, 'Observation', [pulse])
  expect(second.map(hex)).toEqual(patientLevelTerms(ring, after, 'Observation', pulse).map(hex))
  expect(second.map(hex)).not.toEqual(first.map(hex))
  // What the key that is gone had made was dropped: here it is made anew, though nobody would ask with that key.
  expect(patientTerms(ring, before, 'Observation', [june])).not.toBe(kept)
})

test('are never those of another key of the same name, even while no key was dropped', async () => {
  const { open, documents } = bench()
  const ring = await open()
  const held = await newKey(ring, documents, 'anna')
  const first = patientTerms(ring, held, 'Observation', [pulse])
  const elsewhere = bench()
  const other = { ...(await newKey(await elsewhere.open(), elsewhere.documents, 'anna')), id: held.id }
  expect(patientTerms(ring, other, 'Observation', [pulse]).map(hex)).toEqual(patientLevelTerms(ring, other, 'Observation', pulse).map(hex))
  expect(patientTerms(ring, other, 'Observation', [pulse]).map(hex)).not.toEqual(first.map(hex))
})
