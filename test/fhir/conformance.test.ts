/** docs/CONFORMANCE.md says of every search parameter of R4 that is not answered why; all others work. CONFORMANCE=write writes its table anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { capabilityBytes } from '../../src/fhir/capabilities.ts'
import { allTypes } from '../../src/search/classification.ts'
import { settingsTable } from '../../src/config.ts'
import { dataDir } from '../data.ts'

const path = join(import.meta.dirname, '..', '..', 'docs', 'CONFORMANCE.md')
const [START, END] = ['<!-- generated: search parameters -->', '<!-- end -->']

interface Published { readonly id: string; readonly code: string; readonly base?: readonly string[]; readonly type: string; readonly expression?: string }
interface Statement { readonly rest: readonly [{ readonly resource: readonly { readonly type: string; readonly searchParam: readonly { readonly name: string; readonly type: string }[] }[] }] }

const NO_BASE = 'R4 publishes it without a base type and without an expression: it is a parameter of nothing'

/** Why a published parameter is not answered; the rest of the table is made from the definitions. */
const REASONS: Readonly<Record<string, string>> = {
  'Resource-query': 'It names a query that a server defines, and this one defines none; refused by name (400)',
  'patient-extensions-Patient-age': 'R4 publishes it without an expression: nothing says which element an age is read from; ask `birthdate`',
  'patient-extensions-Patient-birthOrderBoolean': 'R4 publishes it without an expression: no element to read'
}

const listed = new Map((JSON.parse(Buffer.from(capabilityBytes({ base: 'http://127.0.0.1/fhir/R4', version: '0', date: '2026-01-01' })).toString('utf8')) as Statement)
  .rest[0].resource.map(({ type, searchParam }) => [type, new Map(searchParam.map((each) => [each.name, each.type]))]))

const ABSTRACT: Readonly<Record<string, readonly string[]>> = { Resource: allTypes, DomainResource: allTypes.filter((type) => !['Binary', 'Bundle', 'Parameters'].includes(type)) }

/** Types that a published parameter is of and that do not list it. */
const lacking = ({ code, base = [] }: Published): readonly string[] => base.flatMap((each) => ABSTRACT[each] ?? [each]).filter((type) => listed.get(type)?.has(code) !== true)

const data = dataDir()

describe.skipIf(data === null)('docs/CONFORMANCE.md', () => {
  const published = (): readonly Published[] => readdirSync(join(data!, 'r4-core')).filter((name) => name.startsWith('SearchParameter-')).sort()
    .map((name) => JSON.parse(readFileSync(join(data!, 'r4-core', name), 'utf8')) as Published)

  test('every search parameter of R4 is in the CapabilityStatement of each of its types, or in the table with its reason', () => {
    const all = published()
    expect(all.length).toBe(1400)
    const rows = all.flatMap((each) => {
      const { id, code, type, base = [] } = each
      if (base.length > 0 && lacking(each).length === 0) return []
      const reason = base.length === 0 ? NO_BASE : REASONS[id]
      expect(reason, `${id} works nowhere and nothing says why`).toBeDefined()
      return [`| ${id} | ${code} | ${type} | ${reason} |`]
    })
    expect(Object.keys(REASONS).filter((id) => !rows.some((row) => row.startsWith(`| ${id} |`)))).toEqual([])
    const table = [START, '', `Of R4's ${all.length} search parameters ${all.length - rows.length} are answered on every type that they are of. Not answered:`, '', '| id | code | type | reason |', '|---|---|---|---|', ...rows, '', END].join('\n')
    const text = readFileSync(path, 'utf8')
    const [before, rest] = text.split(START) as [string, string]
    if (process.env.CONFORMANCE === 'write') writeFileSync(path, before + table + rest.slice(rest.indexOf(END) + END.length))
    expect(readFileSync(path, 'utf8')).toContain(table)
  })

  test('the kinds that the CapabilityStatement gives are R4\'s', () => {
    const wrong = published().filter(({ code, type, base = [] }) => !code.startsWith('_') && base.some((each) => (listed.get(each)?.get(code) ?? type) !== type))
    expect(wrong.map(({ id }) => id)).toEqual([])
  })

  test('a parameter that R4 has and nobody lists is noticed', () => {
    expect(lacking({ id: 'x', code: 'no-such-code', type: 'token', base: ['Patient', 'Resource'] })).toHaveLength(allTypes.length + 1)
    expect(lacking({ id: 'x', code: '_id', type: 'token', base: ['Resource'] })).toEqual([])
  })

  test('each bound that it names is a setting', () => {
    const named = [...readFileSync(path, 'utf8').matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(8)
    expect(named.filter((name) => !settingsTable.some((row) => row.name === name))).toEqual([])
  })
})
