/** Requests that carry canaries to every place where a client's words can go. */
import { connect } from 'node:net'
import { askAt, type Asked } from '../child.ts'
import type { Json, Reply } from '../harness.ts'
import { canary } from './canaries.ts'

/**
 * kept: a later read shows it. ledger: the sealed record of the access holds it. refused: it came in and the server said no, with the
 * status given; nothing keeps it.
 */
export type Proof = 'kept' | 'ledger' | number

export interface Plant {
  readonly label: string
  readonly canary: string
  readonly proof: Proof
}

export interface Field {
  readonly base: string
  readonly token: string
  readonly plants: Plant[]
}

/** A new canary, noted. */
export function plant({ plants }: Field, label: string, proof: Proof): string {
  const text = canary()
  plants.push({ label, canary: text, proof })
  return text
}

export async function send(field: Field, method: string, path: string, expected: number, options: Asked = {}, token: string | null = field.token): Promise<Reply> {
  const reply = await askAt(field.base, token, method, path, options)
  if (reply.status !== expected) throw new Error(`${method} ${path.slice(0, 80)}: ${reply.status} instead of ${expected} ${reply.text.slice(0, 300)}`)
  return reply
}

export const QUANTITY = 73_519.046_281_7

/** Resources with a canary in every kind of element; their ids are ids of the client. Returns them for reading back. */
export async function plantResources(field: Field): Promise<readonly string[]> {
  const kept = (label: string): string => plant(field, label, 'kept')
  const patient = kept('id of a Patient')
  const text = (label: string): Json => ({ text: kept(label) })
  const concept = (label: string): Json => ({ coding: [{ system: `urn:${kept(`${label}: system`)}`, code: kept(`${label}: code`), display: kept(`${label}: display`) }], text: kept(`${label}: text`) })
  const subject = { reference: `Patient/${patient}` }
  const resources: readonly Json[] = [
    {
      resourceType: 'Patient', id: patient,
      meta: { profile: [`urn:${kept('profile')}`], tag: [{ system: `urn:${kept('tag system')}`, code: kept('tag') }], security: [{ system: `urn:${kept('label system')}`, code: kept('label') }], source: `urn:${kept('source')}` },
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${kept('narrative')}</div>` },
      extension: [{ url: `urn:${kept('extension url')}`, valueString: kept('extension value') }],
      identifier: [{ system: `urn:${kept('identifier system')}`, value: kept('identifier'), assigner: { display: kept('assigner') } }],
      name: [{ family: kept('family'), given: [kept('given')], text: kept('name text'), prefix: [kept('prefix')] }],
      telecom: [{ system: 'email', value: `${kept('mail')}@example.org` }, { system: 'phone', value: `+${kept('phone')}` }],
      address: [{ line: [kept('street')], city: kept('city'), postalCode: kept('postal code'), country: kept('country') }],
      contact: [{ name: { family: kept('contact') } }], managingOrganization: { reference: `Organization/${kept('reference')}`, display: kept('reference display') }
    },
    {
      resourceType: 'Observation', id: kept('id of an Observation'), status: 'final', subject, code: concept('code'), valueQuantity: { value: QUANTITY, unit: kept('unit'), system: `urn:${kept('unit system')}`, code: kept('unit code') },
      note: [text('note')], bodySite: concept('body site'), performer: [{ identifier: { system: `urn:${kept('logical system')}`, value: kept('logical reference') } }],
      component: [{ code: concept('component'), valueString: kept('component value') }]
    },
    { resourceType: 'Condition', id: kept('id of a Condition'), subject, clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] }, code: concept('condition'), note: [text('condition note')] },
    { resourceType: 'AllergyIntolerance', id: kept('id of an allergy'), patient: subject, clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] }, code: concept('allergy') },
    { resourceType: 'Organization', id: kept('id of an Organization'), name: kept('organization'), alias: [kept('alias')], identifier: [{ value: kept('identifier without system') }] },
    { resourceType: 'Practitioner', id: kept('id of a Practitioner'), name: [{ family: kept('practitioner') }] },
    { resourceType: 'DocumentReference', id: kept('id of a document'), status: 'current', subject, content: [{ attachment: { contentType: 'text/plain', title: kept('title'), data: Buffer.from(`..${kept('attachment')}..`).toString('base64') } }] },
    { resourceType: 'ValueSet', id: kept('id of a ValueSet'), status: 'draft', url: `urn:${kept('url')}`, name: kept('value set name'), title: kept('value set title') },
    { resourceType: 'AuditEvent', id: kept('id of an AuditEvent'), type: { system: 'urn:x', code: kept('event type') }, recorded: '2026-01-01T00:00:00Z', agent: [{ requestor: true, name: kept('agent') }], source: { observer: { display: kept('observer') } } }
  ]
  for (const resource of resources) await send(field, 'PUT', `${resource.resourceType}/${resource.id}`, 201, { body: resource })
  const binary = await send(field, 'POST', 'Binary', 201, { body: `raw ${kept('raw Binary')}`, headers: { 'content-type': `text/plain; charset=utf-8; x=${kept('content type')}` } })
  const [first, second] = [kept('superseded version'), kept('new version')]
  const versions = await send(field, 'POST', 'Basic', 201, { body: { resourceType: 'Basic', code: { text: first } } })
  await send(field, 'PUT', `Basic/${versions.json.id}`, 200, { body: { resourceType: 'Basic', id: versions.json.id, code: { text: second } } })
  const gone = await send(field, 'POST', 'Basic', 201, { body: { resourceType: 'Basic', code: { text: kept('content of a deleted resource') } } })
  await send(field, 'DELETE', `Basic/${gone.json.id}`, 204)
  return [
    ...resources.map(({ resourceType, id }) => `${resourceType}/${id}`), `Binary/${binary.json.id}`, `Basic/${versions.json.id}/_history/1`, `Basic/${versions.json.id}`,
    `Basic/${gone.json.id}/_history/1`, ...(await plantBundles(field, subject))
  ]
}

async function plantBundles(field: Field, subject: Json): Promise<readonly string[]> {
  const kept = (label: string): string => plant(field, label, 'kept')
  const ledger = (label: string): string => plant(field, label, 'ledger')
  const entry = (resource: Json, request: Json = { method: 'POST', url: resource.resourceType }): Json => ({ fullUrl: `urn:uuid:${crypto.randomUUID()}`, resource, request })
  const observation = (label: string): Json => ({ resourceType: 'Observation', status: 'final', code: { text: kept(label) }, subject })
  const bundle = async (type: string, entries: readonly Json[]): Promise<readonly string[]> => {
    const reply = await send(field, 'POST', '', 200, { body: { resourceType: 'Bundle', type, entry: entries } })
    return reply.json.entry.flatMap(({ response }: Json) => (response.location === undefined ? [] : [response.location.slice(field.base.length + 1)]))
  }
  return [
    ...(await bundle('transaction', [entry(observation('transaction entry')), entry(observation('entry with ifNoneExist'), { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${plant(field, 'ifNoneExist', 200)}` })])),
    ...(await bundle('batch', [
      entry(observation('batch entry')), { request: { method: 'GET', url: `Observation?code=${ledger('search of a batch')}` } },
      { request: { method: 'GET', url: `${plant(field, 'unknown type in a batch', 200)}/1` } },
      { request: { method: 'GET', url: `Patient/${ledger('id read in a batch')}` } }
    ]))
  ]
}

/** Requests that leave nothing but the record of the access. */
export async function plantQuestions(field: Field): Promise<void> {
  const ledger = (label: string): string => plant(field, label, 'ledger')
  const refused = (label: string, status: number): string => plant(field, label, status)
  const get = (path: string, status: number, headers: Asked['headers'] = {}): Promise<Reply> => send(field, 'GET', path, status, { headers })
  await get(`Patient?name=${ledger('search value')}`, 200)
  await get(`Patient?identifier=urn:x|${ledger('searched identifier')}`, 200)
  await get(`Observation?code=${ledger('one of several codes')},${ledger('another of several codes')}`, 200)
  await get(`Patient?${ledger('lenient parameter name')}=${ledger('value of a lenient parameter')}`, 200, { prefer: 'handling=lenient' })
  await send(field, 'POST', 'Patient/_search', 200, { body: `family=${ledger('value of a form')}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  await get(`Patient?${ledger('unknown parameter name')}=1`, 400)
  await get(`Patient?name:${ledger('unknown modifier')}=1`, 400)
  await get(`Patient?birthdate=${ledger('bad date')}`, 400)
  await get(`Patient/${ledger('id of nothing')}`, 404)
  await get(`Patient/1/_history/${refused('version of nothing', 404)}`, 404)
  await get('Patient?_count=1', 200, { 'x-request-id': ledger('request id') })
  await send(field, 'DELETE', `Patient/${ledger('deleted id of nothing')}`, 204)
  await send(field, 'DELETE', `Patient?identifier=${ledger('criteria of a delete')}`, 204)
  await send(field, 'PUT', `Basic?identifier=${ledger('criteria of an update')}`, 201, { body: { resourceType: 'Basic', code: { text: 'x' } } })
  await send(field, 'POST', 'Basic', 201, { body: { resourceType: 'Basic', code: { text: 'x' } }, headers: { 'if-none-exist': `identifier=${refused('If-None-Exist', 201)}` } })
  await send(field, 'PUT', `Basic/${ledger('id with a stale If-Match')}`, 412, { body: { resourceType: 'Basic', id: field.plants.at(-1)!.canary, code: { text: refused('body of a 412', 412) } }, headers: { 'if-match': 'W/"7"' } })
  await get(`${refused('unknown type', 404)}/1`, 404)
  await get(`Patient/1/${refused('unknown path', 404)}`, 404)
  await get(`Patient/$${refused('unknown operation', 404)}`, 404)
  await get(`Patient/${refused('bad percent encoding', 400)}%`, 400)
  await get(`Patient?_page=${ledger('page token of nobody')}`, 404)
  await get(`Patient?access_token=${refused('token in the URL', 401)}`, 401)
  await get('Patient', 200, Object.fromEntries(['user-agent', 'referer', 'cookie', 'x-forwarded-for', 'forwarded', 'if-none-match', 'x-anything'].map((name) => [name, refused(name, 200)])))
  await get('Patient', 200, { [refused('header name', 200)]: 'x' })
  await get('Patient', 406, { accept: `application/${refused('Accept', 406)}` })
  await send(field, 'POST', 'Patient', 415, { body: refused('body of a 415', 415), headers: { 'content-type': `text/${refused('Content-Type', 415)}` } })
  for (const body of [`{"resourceType":"Patient","name":[{"family":"${refused('malformed JSON', 400)}"`, `"${refused('JSON that is no object', 400)}"`, `{"resourceType":"${refused('type of the body', 400)}"}`, `{"resourceType":"Patient","a":1,"a":"${refused('duplicate key', 400)}"}`]) {
    await send(field, 'POST', 'Patient', 400, { body })
  }
  await send(field, 'POST', '', 400, { body: { resourceType: 'Bundle', type: refused('Bundle type', 400) } })
  for (const token of [refused('a token that is none', 401), `wk_${refused('an opaque token of nobody', 401).padEnd(43, 'x')}`, `e30.${Buffer.from(JSON.stringify({ sub: refused('claims of a forged token', 401) })).toString('base64url')}.x`]) {
    await send(field, 'GET', 'Patient', 401, {}, token)
  }
  await send(field, 'GET', 'Patient', 401, { headers: { authorization: `Basic ${Buffer.from(refused('password', 401)).toString('base64')}` } }, null)
  await rawLines(field, [`${refused('method', 400)} / HTTP/1.1`, `GET /${refused('version of HTTP', 400)} HTTP/9.9`, `GET / HTTP/1.1\r\n${refused('header without a colon', 400)}`])
}

/** What is no HTTP. */
async function rawLines({ base }: Field, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write(`${line}\r\n\r\n`))
      socket.on('data', (piece) => { text += piece.toString() }).once('close', () => resolve(text)).once('error', reject)
    })
    if (!answer.startsWith('HTTP/1.1 400')) throw new Error(`Not refused: ${answer.slice(0, 60)}`)
  }
}
