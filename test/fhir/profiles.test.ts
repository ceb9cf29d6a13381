/** Profiles: the US Core guide's own examples pass, each of them broken in one place is refused for it, and what is claimed is checked wherever it is written. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Definitions, definitionsOf } from '../../src/fhir/definitions.ts'
import { contentOf, type PackageContent } from '../../src/fhir/packages/content.ts'
import { packageFolder } from '../../src/fhir/packages/folder.ts'
import { dataDir } from '../data.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { packageOf, usCore, usCoreDir, usCoreExamples } from '../packages.ts'

const CORE = 'http://hl7.org/fhir/us/core/StructureDefinition/'
const guide = usCoreDir()

describe.skipIf(guide === null)('US Core', () => {
  let content: PackageContent
  let definitions: Definitions
  const examples = new Map<string, Json>()
  beforeAll(() => {
    content = contentOf(usCore(guide!))
    definitions = definitionsOf([content])
    for (const example of usCoreExamples(guide!)) examples.set(`${example.resourceType}/${example.id}`, example)
  })
  const issuesOf = (resource: Json, severity = 'error'): readonly string[] =>
    definitions.claims(resource).known.flatMap((profile) => definitions.check(profile, resource)).filter((issue) => issue.severity === severity).map(({ expression, diagnostics }) => `${expression![0]!} ${diagnostics}`)

  test("its own examples have no faults by the profiles they claim, and claim most of them", () => {
    const claimed = new Set<string>()
    for (const example of [...examples.values()].flatMap((each) => [each, ...(each.entry ?? []).map(({ resource }: Json) => resource)])) {
      for (const { url } of definitions.claims(example).known) claimed.add(url)
      expect([example.id, issuesOf(example)]).toEqual([example.id, []])
    }
    const profiles = content.profiles.filter(({ type }) => type !== 'Extension').map(({ url }) => url)
    expect(profiles.filter((url) => !claimed.has(url))).toEqual([`${CORE}us-core-vital-signs`])
  })

  type Break = (resource: Json) => void
  const without = (...path: readonly (string | number)[]): Break => (resource) => {
    const owner = path.slice(0, -1).reduce((at, step) => at[step], resource)
    if (Array.isArray(owner)) owner.splice(path.at(-1) as number, 1)
    else delete owner[path.at(-1)!]
  }
  const extension = (resource: Json, name: string): Json => resource.extension.find(({ url }: Json) => url === CORE + name)

  const BROKEN: readonly (readonly [example: string, what: string, broken: Break, path: string, said: RegExp])[] = [
    ['Patient/example', 'no identifier', without('identifier'), 'Patient.identifier', /missing: at least 1/],
    ['Patient/example', 'a name of nobody', (r) => { r.name = [{ use: 'official' }] }, 'Patient.name[0]', /us-core-6/],
    ['Patient/example', 'two birth sexes', (r) => { r.extension.push(extension(r, 'us-core-birthsex')) }, 'Patient.extension', /slice birthsex occurs 2 times/],
    ['Patient/example', 'a birth sex of another type', (r) => { const sex = extension(r, 'us-core-birthsex'); delete sex.valueCode; sex.valueString = 'F' }, 'Patient.extension', /type is not allowed/],
    ['Patient/example', 'a race without text', (r) => { const race = extension(r, 'us-core-race'); race.extension = race.extension.filter(({ url }: Json) => url !== 'text') }, 'Patient.extension', /slice text is missing/],
    ['Patient/example', 'six races', (r) => { const race = extension(r, 'us-core-race'); race.extension.push(...Array(6).fill(race.extension.find(({ url }: Json) => url === 'ombCategory'))) }, 'Patient.extension', /slice ombCategory occurs/],
    ['Observation/serum-total-bilirubin', 'no category', without('category'), 'Observation.category', /element is missing/],
    ['Observation/serum-total-bilirubin', 'another category', (r) => { r.category[0].coding[0].code = 'imaging' }, 'Observation.category', /slice us-core is missing/],
    ['Observation/serum-total-bilirubin', 'neither value nor reason', without('valueQuantity'), 'Observation', /us-core-2/],
    ['Observation/AHC-HRSN-item-example-68517-2', 'another system of units', (r) => { delete r.valueCodeableConcept; r.valueQuantity = { value: 1, system: 'urn:x', code: 'x' } }, 'Observation', /us-core-3/],
    ['Observation/serum-total-bilirubin', 'a subject that is a place', (r) => { r.subject = { reference: 'Location/1' } }, 'Observation.subject.reference', /type of resource/],
    ['Observation/blood-pressure', 'one component', without('component', 1), 'Observation.component', /at least 2|slice diastolic is missing/],
    ['Observation/blood-pressure', 'another code', (r) => { r.code.coding[0].code = '1' }, 'Observation.code', /pattern/],
    ['Observation/blood-pressure', 'another unit', (r) => { r.component[0].valueQuantity.code = 'kg' }, 'Observation.component[0].valueQuantity.code', /fixed/],
    ['Observation/blood-pressure', 'no date', without('effectiveDateTime'), 'Observation.effective', /missing/],
    ['Observation/blood-pressure', 'a year for a date', (r) => { r.effectiveDateTime = '1999' }, 'Observation.effective', /vs-1/],
    ['Observation/blood-pressure', 'a date of another type', (r) => { delete r.effectiveDateTime; r.effectiveInstant = '1999-07-02T00:00:00Z' }, 'Observation.effective', /type is not allowed/],
    ['Observation/some-day-smoker', 'a date outside the closed slices', (r) => { r.effectivePeriod = { start: '2016' }; delete r.effectiveDateTime }, 'Observation.effective', /in no slice|type is not allowed/],
    ['Condition/condition-duodenal-ulcer', 'no code', without('code'), 'Condition.code', /missing/],
    ['Condition/condition-duodenal-ulcer', 'a category of nobody', (r) => { r.category = [{ text: 'x' }] }, 'Condition.category', /slice us-core is missing/],
    ['Encounter/example-1', 'no type', without('type'), 'Encounter.type', /missing/],
    ['Encounter/example-1', 'no subject', without('subject'), 'Encounter.subject', /missing/],
    ['DocumentReference/discharge-summary', 'a content without data or url', (r) => { delete r.content[0].attachment.url; delete r.content[0].attachment.data }, 'DocumentReference.content[0].attachment', /us-core-6/],
    ['DocumentReference/discharge-summary', 'no category', without('category'), 'DocumentReference.category', /missing/],
    ['MedicationRequest/medicationrequest-coded-oral-axid', 'an order of nobody', without('requester'), 'MedicationRequest', /us-core-21/],
    ['MedicationRequest/medicationrequest-coded-oral-axid', 'no medication', without('medicationCodeableConcept'), 'MedicationRequest.medication', /missing/],
    ['AllergyIntolerance/example', 'no code', without('code'), 'AllergyIntolerance.code', /missing/],
    ['Immunization/imm-1', 'a patient that is a device', (r) => { r.patient = { reference: 'Device/1' } }, 'Immunization.patient.reference', /type of resource/],
    ['Procedure/rehab', 'done, and no time', (r) => { r.status = 'completed'; delete r.performedDateTime; delete r.performedPeriod }, 'Procedure', /us-core-7/],
    ['DiagnosticReport/cbc', 'final, and never issued', without('issued'), 'DiagnosticReport', /us-core-9/],
    ['DiagnosticReport/cbc', 'another category', (r) => { r.category = [{ text: 'x' }] }, 'DiagnosticReport.category', /slice LaboratorySlice is missing/],
    ['Organization/acme-lab', 'an NPI that is none', (r) => { r.identifier = [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1' }] }, 'Organization.identifier', /us-core-16/]
  ]

  test.each(BROKEN)('%s with %s is refused', (name, _, broken, path, said) => {
    const resource = structuredClone(examples.get(name))
    expect(issuesOf(resource)).toEqual([])
    broken(resource)
    const found = issuesOf(resource)
    expect(found.filter((issue) => issue.startsWith(path) && said.test(issue))).not.toEqual([])
    expect(found.every((issue) => /\(profile http:\/\/hl7\.org\/fhir\/\S+\)$/.test(issue))).toBe(true)
  })

  test('what is required is required: no example passes without a required element of its profile', () => {
    let broken = 0
    for (const example of examples.values()) {
      for (const { root } of definitions.claims(example).known) for (const { name, min } of root.children) {
        const keys = Object.keys(example).map((key) => key.replace(/^_/, '')).filter((key) => key === name || (name.endsWith('[x]') && key.startsWith(name.slice(0, -3))))
        if (min === 0 || keys.length === 0) continue
        const less = Object.fromEntries(Object.entries(example).filter(([key]) => !keys.includes(key.replace(/^_/, ''))))
        expect([example.id, name, issuesOf(less).length > 0]).toEqual([example.id, name, true])
        broken++
      }
    }
    expect(broken).toBeGreaterThan(600)
  })

  test('a code outside an extensible value set is a warning, and one whose code system is not here is neither', () => {
    const condition = structuredClone(examples.get('Condition/condition-duodenal-ulcer'))
    condition.category.push({ coding: [{ system: 'urn:x', code: 'x' }] })
    expect([issuesOf(condition), issuesOf(condition, 'warning')]).toEqual([[], [expect.stringMatching(/^Condition\.category\[\d\] No code is from/)]])
    const allergy = structuredClone(examples.get('AllergyIntolerance/example'))
    allergy.code = { coding: [{ system: 'http://snomed.info/sct', code: '999999' }] }
    expect([issuesOf(allergy), issuesOf(allergy, 'warning')]).toEqual([[], []])
  })

  test('a required value set that lies in a package that is not here is neither kept nor broken', () => {
    const patient = structuredClone(examples.get('Patient/example'))
    extension(patient, 'us-core-birthsex').valueCode = 'X'
    expect(issuesOf(patient)).toEqual([])
    const set = (id: string, code: string): Json => ({ resourceType: 'ValueSet', url: `http://cts.nlm.nih.gov/fhir/ValueSet/${id}`, compose: { include: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender', concept: [{ code }] }] } })
    const vsac = contentOf(packageOf([set('2.16.840.1.113762.1.4.1', 'F'), set('2.16.840.1.113762.1.4.1021.103', 'M')], { name: 'vsac' }))
    const both = definitionsOf([content, vsac])
    const faults = (): readonly string[] => both.check(both.profile(`${CORE}us-core-patient`)!, patient).map(({ diagnostics }) => diagnostics)
    expect(faults()).toEqual([expect.stringMatching(/No code is from .*birthsex/)])
    extension(patient, 'us-core-birthsex').valueCode = 'F'
    expect(faults()).toEqual([])
  })

  test('real Synthea output has no faults by the profiles it claims', () => {
    let claims = 0
    const folder = join(dataDir()!, 'synthea')
    const faults = readdirSync(folder).filter((name) => name.endsWith('.json')).slice(0, 8).flatMap((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json).entry.flatMap(({ resource }: Json) => {
      claims += definitions.claims(resource).known.length
      return issuesOf(resource)
    }))
    expect(faults).toEqual([])
    expect(claims).toBeGreaterThan(1000)
  })
})

describe.skipIf(guide === null)('a server with US Core', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-us-core-'))
  let server: Harness
  let system: string
  beforeAll(async () => {
    await packageFolder(join(dir, 'packages')).add(usCore(guide!))
    server = await startHarness({ DATA_DIR: dir, BODY_BYTES_INLINE: '20000' })
    system = await server.token(SYSTEM)
  })
  afterAll(async () => {
    await server.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const PATIENT = `${CORE}us-core-patient`
  const meta = { profile: [PATIENT] }
  const good: Json = { resourceType: 'Patient', identifier: [{ system: 'urn:i', value: '1' }], name: [{ family: 'Shaw' }], gender: 'female', birthDate: '1990-01-01' }
  const nameless: Json = { ...good, name: undefined }
  const refusal = ({ status, json }: Reply): readonly unknown[] => [status, json.issue[0].expression, json.issue[0].diagnostics]
  const NO_NAME = [422, ['Patient.name'], expect.stringContaining(PATIENT)]
  const bundle = (type: string, ...entry: readonly Json[]): object => ({ body: { resourceType: 'Bundle', type, entry } })

  test('refuses what breaks a claimed profile wherever it is written, and takes it where nothing is claimed (positive control)', async () => {
    const { id } = await server.put({ ...good, meta })
    const plain = await server.put(nameless)
    const put = (body: Json, options = {}): Promise<Reply> => server.ask(system, 'PUT', `Patient/${id}`, { body: { ...body, id }, ...options })
    expect(refusal(await server.ask(system, 'POST', 'Patient', { body: { ...nameless, meta } }))).toEqual(NO_NAME)
    expect(refusal(await put({ ...nameless, meta }))).toEqual(NO_NAME)
    expect((await put({ ...good, meta })).status).toBe(200)
    const patch = (path: string, value: unknown, of = id): Promise<Reply> => server.ask(system, 'PATCH', `Patient/${of}`, { body: JSON.stringify([{ op: 'remove', path }, ...(value === null ? [] : [{ op: 'add', path, value }])]), headers: { 'content-type': 'application/json-patch+json' } })
    expect(refusal(await patch('/name', null))).toEqual(NO_NAME)
    expect((await patch('/name', [{ family: 'Other' }])).status).toBe(200)
    const add = (of: string, valueMeta: object): Promise<Reply> => server.ask(system, 'POST', `Patient/${of}/$meta-add`, { body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta }] } })
    expect(refusal(await add(plain.id, meta))).toEqual(NO_NAME)
    expect((await add(plain.id, { tag: [{ system: 'urn:t', code: 't' }] })).status).toBe(200)
    expect((await add((await server.put(good)).id, meta)).status).toBe(200)
    const post = (resource: Json): Json => ({ resource, request: { method: 'POST', url: 'Patient' } })
    expect((await server.ask(system, 'POST', '', bundle('transaction', post({ ...good, meta }), post({ ...nameless, meta })))).status).toBe(422)
    expect((await server.ask(system, 'POST', '', bundle('batch', post({ ...good, meta }), post({ ...nameless, meta }), post(nameless)))).json.entry.map(({ response }: Json) => response.status.slice(0, 3))).toEqual(['201', '422', '201'])
    const large = { ...nameless, meta, text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(30_000)}</div>` } }
    expect(refusal(await server.ask(system, 'POST', 'Patient', { body: large }))).toEqual(NO_NAME)
    expect((await server.ask(system, 'POST', 'Patient', { body: { ...large, name: good.name } })).status).toBe(201)
  })

  test('judges no claim of an unknown profile or version, and says so in $validate; a profile of another type is a fault', async () => {
    for (const url of ['urn:unknown', `${PATIENT}|3.1.1`]) await server.put({ ...nameless, meta: { profile: [url] } })
    expect((await server.ask(system, 'POST', 'Patient', { body: { ...nameless, meta: { profile: [`${PATIENT}|6.1.0`] } } })).status).toBe(422)
    expect((await server.ask(system, 'POST', 'Patient', { body: { ...good, meta: { profile: [`${CORE}us-core-encounter`] } } })).status).toBe(422)
    const validate = async (body: Json, query = ''): Promise<readonly string[]> => (await server.ask(system, 'POST', `Patient/$validate${query}`, { body })).json.issue.map((each: Json) => `${each.severity} ${each.code} ${each.expression?.[0] ?? ''}`)
    expect(await validate(good, `?profile=${PATIENT}`)).toEqual(['information informational '])
    expect(await validate(nameless)).toEqual(['information informational '])
    expect(await validate(nameless, `?profile=${PATIENT}`)).toEqual(['error required Patient.name'])
    expect(await validate({ ...nameless, meta })).toEqual(['error required Patient.name'])
    expect(await validate(good, '?profile=urn:unknown')).toEqual(['error not-supported '])
    expect(await validate({ ...good, meta: { profile: ['urn:unknown'] } })).toEqual(['information informational ', 'information not-supported Patient.meta.profile'])
    expect(await validate(good, `?profile=${CORE}us-core-encounter`)).toEqual(['error invalid Patient.meta.profile'])
    for (const broken of [{ ...good, meta: { profile: [PATIENT] }, name: 'x', extension: [null, 1, { url: 5 }] }, { ...good, meta: { profile: 'x' } }, { ...good, meta: [], identifier: [[]] }]) expect((await validate(broken))[0]).toMatch(/^error/)
  })

  test("its search parameters find patients by race, and its value sets are known to :in", async () => {
    const race = (code: string): Json => ({ ...good, extension: [{ url: `${CORE}us-core-race`, extension: [{ url: 'ombCategory', valueCoding: { system: 'urn:oid:2.16.840.1.113883.6.238', code } }, { url: 'text', valueString: 'x' }] }] })
    const [a] = [await server.put(race('2106-3')), await server.put(race('2028-9'))]
    const found = await server.ask(system, 'GET', 'Patient?race=2106-3')
    expect(found.json.entry.map(({ resource }: Json) => resource.id)).toEqual([a.id])
    const codes = (await server.ask(system, 'GET', 'CodeSystem/$lookup?system=http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category&code=clinical-note')).json
    expect(codes.parameter).toContainEqual({ name: 'display', valueString: 'Clinical Note' })
    const note = (code: string): Json => ({ resourceType: 'DocumentReference', status: 'current', category: [{ coding: [{ system: 'http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category', code }] }], content: [{ attachment: { url: 'urn:x' } }] })
    const [wanted] = [await server.put(note('clinical-note')), await server.put(note('other'))]
    const inSet = await server.ask(system, 'GET', 'DocumentReference?category:in=http://hl7.org/fhir/us/core/ValueSet/us-core-documentreference-category')
    expect(inSet.json.entry.map(({ resource }: Json) => resource.id)).toEqual([wanted.id])
  })
})
