/** What the documents say is what the code does. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settingsTable } from '../src/config.ts'
import { loadIssuers } from '../src/oauth/issuers.ts'
import { loadRolePolicies } from '../src/policy/role-policies.ts'
import { roleShape, ruleShape } from '../src/policy/policy-file.ts'
import { refusedSection } from './fhir/conformance-examples.ts'
import { REFUSED_EXAMPLES } from './fhir/r4-examples-refused.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

describe('README', () => {
  test('its table of settings is that of the code', () => {
    const rows = readme.split('## Settings')[1]!.split('\n').filter((line) => line.startsWith('| `'))
    expect(rows).toEqual(settingsTable.map((row) => `| \`${row.name}\` | ${row.default === '' ? '–' : row.default} | ${row.meaning} |`))
  })

  test('every promise names tests that exist', () => {
    const rows = readme.split('## What is promised')[1]!.split('## ')[0]!.split('\n').filter((line) => /^\| [A-Z]/.test(line))
    expect(rows.length).toBeGreaterThan(5)
    for (const row of rows) {
      const named = row.match(/test\/[\w/*.-]+\.test\.ts/g) ?? []
      expect(named, row).not.toEqual([])
      for (const name of named) expect(globSync(name, { cwd: root }), name).not.toEqual([])
    }
  })

  test('every link leads to a file', () => {
    for (const document of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md']) {
      const text = readFileSync(join(root, document), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) expect(existsSync(join(root, target)), `${document}: ${target}`).toBe(true)
    }
  })
})

describe('docs/ACCESS.md', () => {
  const text = readFileSync(join(root, 'docs', 'ACCESS.md'), 'utf8')
  const example = (name: string): string => new RegExp(`\`\`\`json ${name}\\n([^]*?)\`\`\``).exec(text)![1]!

  test('its roles are those of the built-in policy', () => {
    const reach = { launch: 'those of `--patient`', '%patients': 'those of the patients in the care of `--fhir-user`', all: "everybody's" }
    const rows = text.split('## Roles of the built-in policy')[1]!.split('\n## ')[0]!.split('\n').filter((line) => line.startsWith('| `'))
    const { roles } = loadRolePolicies(readFileSync(join(root, 'policy', 'default.json'), 'utf8'))
    expect(rows).toEqual([...roles.values()].map(({ name, patients, labelMax, purposes }) => `| \`${name}\` | ${reach[patients]} | ${labelMax} | ${purposes?.join(', ') ?? 'any purpose'} |`))
  })

  test('its examples are taken, and name every field of a role, of a rule and of an issuer', () => {
    const fields = (heading: string): readonly string[] => text.split(`| ${heading} | is |`)[1]!.split('\n\n')[0]!.match(/(?<=^\| `)\w+/gm)!.toSorted()
    expect([...loadRolePolicies(example('policy')).roles.keys()]).toEqual(['patient', 'physiotherapist'])
    expect(fields('of a role')).toEqual(Object.keys(roleShape).sort())
    expect(fields('of a rule')).toEqual(Object.keys(ruleShape).sort())
    const [issuer] = loadIssuers(example('issuers'))
    expect(issuer).toEqual(loadIssuers(JSON.stringify([{ issuer: issuer!.issuer, jwksUri: 'https://id.example.org/realms/clinic/certs' }]))[0])
    expect(fields('field')).toEqual(Object.keys(JSON.parse(example('issuers'))[0]).sort())
  })
})

describe('docs/CONFORMANCE.md', () => {
  test('lists the examples of R4 that are refused, with their faults', () => {
    const section = readFileSync(join(root, 'docs', 'CONFORMANCE.md'), 'utf8').split('## Examples of the specification')[1]!.split(/\n## /)[0]!
    expect(section.slice(section.indexOf(`${Object.values(REFUSED_EXAMPLES).flat().length} of the 738`)).trim()).toBe(refusedSection().trim())
  })
})
