/** Resources as text: whatever their ids, types, versions and patients, all come back as they were. */
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Touched } from '../../src/audit/record.ts'
import { disclosedText, touchedIn, touchedText } from '../../src/audit/touched-text.ts'

const IDS = [
  'a', '0', 'a-b.c', 'x'.repeat(64), '~', '=', '/', '/Patient', ';2', ',1', 'a b', 'a;2', 'a,0', '', 'é', '=%41', '%41', '\u0000', '\ud83d\ude00', '~AAAA',
  '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF', '0000000-00000-0000-0000-000000000000', `${randomUUID()}0`
]
const PATIENTS = ['p', randomUUID(), 'q,r', '']

function there(resources: readonly Touched[], known: readonly string[] = []): readonly Touched[] {
  const patients = [...known]
  const text = touchedText(resources, (patient) => (patients.includes(patient) ? patients.indexOf(patient) : patients.push(patient) - 1))
  return touchedIn(text, patients)
}

describe('resources as text', () => {
  it('give back each id, also one that looks like something else', () => {
    const resources = IDS.flatMap((id) => [1, 2, 12_345].map((version) => ({ type: 'Observation', id, version, patients: ['p'] })))
    expect(there(resources)).toEqual(resources)
    expect(there(resources, ['before'])).toEqual(resources)
  })

  it('give back types and patients in their order', () => {
    let turn = 0
    const resources = Array.from({ length: 3_000 }, (): Touched => {
      turn = (turn * 7_919 + 13) % 1_000_003
      return { type: ['Observation', 'Patient', 'Claim', 'Odd type/é'][turn % 7 % 4]!, id: turn % 3 === 0 ? IDS[turn % IDS.length]! : randomUUID(), version: 1 + turn % 5 % 2, patients: PATIENTS.filter((_, i) => (turn >> i) % 2 === 1) }
    })
    expect(there(resources)).toEqual(resources)
    expect(there(resources, ['p'])).toEqual(resources)
  })

  it('are the same text of a page that was disclosed before, also where the patients have other numbers in the record', () => {
    const memo = (): unknown[] => []
    const resources = Array.from({ length: 200 }, (_, i): Touched => ({ type: 'Observation', id: randomUUID(), version: 1, patients: [PATIENTS[i % 3]!], memo: memo() }))
    const numbering = (known: readonly string[]) => {
      const patients = [...known]
      return { patients, number: (patient: string) => (patients.includes(patient) ? patients.indexOf(patient) : patients.push(patient) - 1) }
    }
    const bytes = (make: typeof touchedText, of: readonly Touched[], known: readonly string[]) => {
      const { patients, number } = numbering(known)
      return [make(of, number), patients]
    }
    for (const known of [[], PATIENTS, ['before'], PATIENTS.toReversed(), []]) expect(bytes(disclosedText, resources, known)).toEqual(bytes(touchedText, resources, known))
    expect(bytes(disclosedText, resources.slice(1), [])).toEqual(bytes(touchedText, resources.slice(1), []))
  })

  it('are no text where there are none', () => expect([touchedText([], () => 0), touchedIn('', ['p'])]).toEqual(['', []]))

  it('are short where they can be', () => {
    const ids = Array.from({ length: 100 }, () => randomUUID())
    const text = touchedText(ids.map((id) => ({ type: 'Observation', id, version: 1, patients: ['p'] })), () => 0)
    expect(text).toMatch(/^\/Observation( ~[\w-]{22}){100}$/)
  })
})
