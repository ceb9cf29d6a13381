/** Packages: what is taken in, what is refused, and that what lies under DATA_DIR is what was added. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { packageCommand } from '../../src/cli/package.ts'
import { contentOf } from '../../src/fhir/packages/content.ts'
import { packageFolder } from '../../src/fhir/packages/folder.ts'
import { packagesOf } from '../../src/system.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { archiveOf, manifest, packageOf } from '../packages.ts'
import { dropStore, newStore } from '../stores.ts'

const valueSet = { resourceType: 'ValueSet', url: 'http://guide.example/vs', status: 'active', compose: { include: [{ system: 'urn:x', concept: [{ code: 'a' }] }] } }
const nickname = { resourceType: 'SearchParameter', url: 'http://guide.example/sp', code: 'nickname', type: 'string', base: ['Patient'], expression: "Patient.name.where(use = 'nickname').given" }

const site = { resourceType: 'SearchParameter', url: 'http://guide.example/site', code: 'site', type: 'string', base: ['Observation'], expression: 'Observation.bodySite.text' }

describe('an archive', () => {
  test('is read whole: definitions at its top, and nothing else of it', () => {
    const found = contentOf(packageOf([
      valueSet, nickname, { resourceType: 'CodeSystem', url: 'urn:x', content: 'complete' }, { resourceType: 'StructureDefinition', url: 'urn:p', type: 'Patient', text: { status: 'x' } },
      { resourceType: 'Patient', url: 'urn:y' }, { ...nickname, code: 'odd', expression: 'Patient.name.repeat(x)' }, { ...nickname, code: '_mine' }, { ...nickname, code: 'both', type: 'composite' }
    ], { dependencies: { 'hl7.fhir.r4.core': '4.0.1' } }))
    expect([found.name, found.version, found.dependencies, found.valueSets, found.unsearchable]).toEqual(['test.guide', '1.0.0', ['hl7.fhir.r4.core'], [valueSet], ['Patient:odd', 'Patient:_mine', 'Patient:both']])
    expect([found.searchParameters.map(({ code }) => code), found.codeSystems.length, found.profiles]).toEqual([['nickname'], 1, [{ resourceType: 'StructureDefinition', url: 'urn:p', type: 'Patient' }]])
    expect(contentOf(archiveOf([manifest(), { path: 'package/example/ValueSet.json', text: JSON.stringify(valueSet) }, { path: 'package', flag: '5' }, { path: 'other/x.json', text: '{' }])).valueSets).toEqual([])
  })

  test.each([
    ['a path above it', { path: '../x.json', text: '{}' }, /a path that leads out of it/], ['a path above it further down', { path: 'package/../../x.json', text: '{}' }, /a path that leads out of it/], ['an absolute path', { path: '/tmp/x.json', text: '{}' }, /a path that leads out of it/],
    ['a drive', { path: 'C:/x.json', text: '{}' }, /a path that leads out of it/], ['a backslash', { path: 'package\\..\\x.json', text: '{}' }, /a path that leads out of it/], ['a symbolic link', { path: 'package/x.json', flag: '2', link: '/etc/passwd' }, /a link or a device/],
    ['a hard link', { path: 'package/x.json', flag: '1', link: 'package/package.json' }, /a link or a device/], ['a device', { path: 'package/x.json', flag: '3' }, /a link or a device/], ['two files of a name', { path: 'package/package.json', text: '{}' }, /two files/],
    ['what is no JSON', { path: 'package/x.json', text: '{' }, /x.json is not JSON/], ['what is no object', { path: 'package/x.json', text: '[]' }, /x.json is not (a )?JSON/], ['a key of prototypes', { path: 'package/x.json', text: '{"__proto__":{"a":1}}' }, /x.json is not (a )?JSON/],
    ['JSON that is nested too deep', { path: 'package/x.json', text: '['.repeat(5000) + ']'.repeat(5000) }, /x.json is not (a )?JSON/]
  ])('with %s is refused in one line', (_, entry, said) => {
    expect(() => contentOf(archiveOf([manifest(), entry]))).toThrow(/^the package[^\n]+$/)
    expect(() => contentOf(archiveOf([manifest(), entry]))).toThrow(said)
    expect(contentOf(archiveOf([manifest()])).name).toBe('test.guide')
  })

  test('that is no package, or not for R4, is refused in one line', () => {
    const bad = [Buffer.from('x'), gzipSync('x'.repeat(2000)), archiveOf([]), archiveOf([{ path: 'package/x.json', text: '{}' }]), ...[{ name: '../x' }, { name: 'Has Space' }, { version: '../1' }, { version: '' }, { fhirVersions: ['5.0.0'] }, { fhirVersions: undefined }].map((more) => packageOf([], more))]
    for (const archive of bad) expect(() => contentOf(archive)).toThrow(/^(?!.*\n).*package.*$/)
    expect(() => contentOf(packageOf([valueSet]).subarray(0, 60))).toThrow('not compressed')
  })

  test('that inflates without end is refused before it is looked at', () => {
    const bomb = Buffer.concat(Array<Buffer>(33).fill(gzipSync(Buffer.alloc(8 * 1024 * 1024))))
    expect(bomb.length).toBeLessThan(1024 * 1024)
    expect(() => contentOf(bomb)).toThrow('inflates to more than')
    expect(() => contentOf(Buffer.alloc(33 * 1024 * 1024))).toThrow('larger than')
    expect(() => contentOf(archiveOf([manifest(), ...Array.from({ length: 20_000 }, (_, index) => ({ path: `package/${index}.txt` }))]))).toThrow('more than 20000 files')
  })
})

describe('the folder', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-packages-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('keeps archives with their hashes, one of a name, and finds one that is not what was added', async () => {
    const folder = packageFolder(join(dir, 'packages'))
    expect([await folder.list(), await folder.read(), await folder.remove('test.guide')]).toEqual([[], [], false])
    const { entry } = await folder.add(packageOf([valueSet]))
    await folder.add(packageOf([], { name: 'other' }))
    await expect(folder.add(packageOf([], { version: '2.0.0' }))).rejects.toThrow('test.guide 1.0.0 is there already')
    expect((await folder.read()).map(({ name, valueSets }) => [name, valueSets.length])).toEqual([['test.guide', 1], ['other', 0]])
    const file = join(dir, 'packages', 'test.guide-1.0.0.tgz')
    writeFileSync(file, packageOf([]))
    await expect(folder.read()).rejects.toThrow('the package test.guide 1.0.0 is missing or is not what was added')
    rmSync(file)
    await expect(folder.read()).rejects.toThrow('missing')
    expect(await folder.remove('test.guide')).toBe(true)
    expect([(await folder.read()).length, readdirSync(join(dir, 'packages')).sort(), entry.sha256.length]).toEqual([1, ['other-1.0.0.tgz', 'packages.json'], 64])
    writeFileSync(join(dir, 'packages', 'packages.json'), '[{"name":"../../x","version":"1","sha256":"00"}]')
    await expect(folder.read()).rejects.toThrow('malformed')
  })
})

describe('wardkeep package, and a server after its next start', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-packages-'))
  const store = newStore()
  const file = join(dir, 'guide.tgz')
  writeFileSync(file, packageOf([valueSet, nickname, site], { dependencies: { 'hl7.fhir.r4.core': '4.0.1', 'other.guide': '1.0.0' } }))
  afterAll(async () => {
    await dropStore(store)
    rmSync(dir, { recursive: true, force: true })
  })

  /** The lines that a command prints; its refusal as the last of them. */
  const wardkeep = async (...argv: readonly string[]): Promise<readonly string[]> => {
    const lines: string[] = []
    const command = packageCommand({ packages: () => packagesOf({ dataDir: dir }), print: (line) => lines.push(line) })
    for (const each of [command, ...command.commands]) each.exitOverride().configureOutput({ writeErr: (line) => lines.push(line.trim()) })
    await command.parseAsync([...argv], { from: 'user' }).catch((error: Error) => lines.includes(error.message) || lines.push(error.message))
    return lines
  }
  const named = (given: string): object => ({ resourceType: 'Patient', name: [{ use: 'nickname', given: [given] }, { given: ['Anna'] }] })
  const observation = (id: string, text: string): object => ({ resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, bodySite: { text }, subject: { reference: 'Patient/p' } })
  const asked = async (server: Harness): Promise<readonly unknown[]> => {
    const token = await server.token(SYSTEM)
    return Promise.all(['Patient?nickname=ann', 'Patient?nickname:exact=Annie&_sort=nickname', 'Observation?site=ar', 'Observation?patient=Patient/p&site=arm', 'ValueSet/$expand?url=http://guide.example/vs'].map(async (path) => {
      const { status, json } = await server.ask(token, 'GET', path)
      return status === 200 ? json.entry?.map(({ resource }: Json) => resource.name?.[0].given[0] ?? resource.id).sort() ?? json.expansion.contains.length : status
    }))
  }
  const FOUND = [['Anni', 'Annie'], ['Annie'], ['after', 'before'], ['after', 'before'], 1]
  const on = async (work: (server: Harness) => Promise<void>): Promise<void> => {
    const server = await startHarness({ DATA_DIR: dir, ...store })
    try {
      await work(server)
    } finally {
      await server.close()
    }
  }

  test('adds, lists and removes; its search parameters find rows that were stored before and after, without a reindex', async () => {
    await on(async (server) => {
      await server.put({ ...named('Bob'), id: 'p' })
      await server.put(named('Annie'))
      await server.put(observation('before', 'Arm'))
      expect(await wardkeep('add', join(dir, 'absent.tgz'))).toEqual(['error: the file cannot be read'])
      expect(await wardkeep('add', file)).toEqual([
        expect.stringMatching(/^added: test\.guide 1\.0\.0, sha256 [0-9a-f]{64}$/), '0 profiles and extensions, 1 value sets, 0 code systems, 2 search parameters',
        'what it takes from other packages is checked where they are added too: other.guide', 'a running server takes this at its next start',
        'once all servers were started again, `wardkeep reindex` gives its search parameters an index; until then they are confirmed after opening'
      ])
      expect(await wardkeep('add', file)).toEqual(['test.guide 1.0.0 is there already: remove it first'])
      expect(await wardkeep('list')).toEqual([expect.stringMatching(/^test\.guide 1\.0\.0 [0-9a-f]{64}$/)])
      expect(await asked(server)).toEqual([400, 400, 400, 400, 404])
    })
    await on(async (server) => {
      for (const given of ['Anni', 'Bob']) await server.put(named(given))
      await server.put(observation('after', 'Arm'))
      await server.put(observation('leg', 'Leg'))
      expect(await asked(server)).toEqual(FOUND)
      const { json } = await server.ask(null, 'GET', 'metadata')
      expect(json.rest[0].resource.find(({ type }: Json) => type === 'Patient').searchParam).toContainEqual({ name: 'nickname', type: 'string' })
      expect(await wardkeep('remove', 'test.guide')).toEqual(['removed: test.guide; a running server takes this at its next start'])
      expect(await wardkeep('remove', 'test.guide')).toEqual(['error: there is no such package'])
      expect(await asked(server)).toEqual(FOUND)
    })
    await on(async (server) => expect(await asked(server)).toEqual([400, 400, 400, 400, 404]))
  })

  test('a package that was changed in its place stops the start with one line', async () => {
    await wardkeep('add', file)
    writeFileSync(join(dir, 'packages', 'test.guide-1.0.0.tgz'), 'x')
    await expect(startHarness({ DATA_DIR: dir, ...store })).rejects.toThrow(/^the package test\.guide 1\.0\.0 is missing or is not what was added$/)
  })
})
