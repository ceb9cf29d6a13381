/** Malformed and hostile requests, each with the row of the threat catalogue that it belongs to. What they plant must never come back. */
import { gzipSync } from 'node:zlib'
import type { Json } from '../harness.ts'

export const CANARY = 'kanarie7f3a'

export interface Bad {
  readonly threat: number
  readonly what: string
  readonly method: string
  readonly path: string
  readonly status: number | readonly number[]
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** `none`: no Authorization header of ours. */
  readonly token?: 'none' | 'desk' | 'patient'
}

const bad = (threat: number, what: string, method: string, path: string, status: Bad['status'], more: Omit<Bad, 'threat' | 'what' | 'method' | 'path' | 'status'> = {}): Bad =>
  ({ threat, what, method, path, status, ...more })

const person = (more: object = {}): Json => ({ resourceType: 'Patient', name: [{ family: CANARY }], ...more })
const post = (threat: number, what: string, body: unknown, status: Bad['status'], more: Partial<Bad> = {}): Bad => bad(threat, what, 'POST', 'Patient', status, { body, ...more })
const get = (threat: number, what: string, path: string, status: Bad['status'], more: Partial<Bad> = {}): Bad => bad(threat, what, 'GET', path, status, more)
const bearer = (value: string): Partial<Bad> => ({ token: 'none', headers: { authorization: value } })
const div = (inner: string): Json => person({ text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>` } })
const b64 = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const jwt = (header: object): string => `Bearer ${b64({ alg: 'RS256', typ: 'at+jwt', ...header })}.${b64({ iss: 'http://127.0.0.1', sub: CANARY, scope: 'system/*.cruds', exp: 9999999999 })}.${b64(CANARY)}`
const deep = (levels: number): string => `{"resourceType":"Patient","extension":${'['.repeat(levels)}${']'.repeat(levels)}}`
const raw = (inner: string): string => `{"resourceType":"Patient","name":[{"family":"${CANARY}"}],${inner}}`
const bundleOf = (entry: unknown): Json => ({ resourceType: 'Bundle', type: 'transaction', entry: [{ resource: person(), request: { method: 'POST', url: 'Patient' } }, entry] })

export const BAD: readonly Bad[] = [
  // 7 mass assignment
  post(7, 'a SUBSETTED tag', person({ meta: { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }] } }), 422),
  post(7, 'an id that is none', person({ id: `${CANARY} x` }), 400),
  post(7, 'a versionId that is none', person({ meta: { versionId: `${CANARY} x` } }), 400),
  post(7, 'a lastUpdated that is none', person({ meta: { lastUpdated: CANARY } }), 400),
  post(7, 'a contained resource with an id twice', person({ contained: [{ resourceType: 'Organization', id: 'c', name: CANARY }, { resourceType: 'Organization', id: 'c', name: 'y' }], managingOrganization: { reference: '#c' } }), 422),
  post(7, 'a contained resource that nothing names', person({ contained: [{ resourceType: 'Organization', id: CANARY, name: 'x' }] }), 422),
  bad(7, 'a record of another patient', 'POST', 'Observation', 403, { token: 'patient', body: { resourceType: 'Observation', status: 'final', code: { text: CANARY }, subject: { reference: `Patient/${CANARY}` } } }),
  bad(7, 'an update under another id', 'PUT', 'Patient/held', 400, { body: person({ id: CANARY }) }),
  bad(7, 'a label taken away', 'PUT', 'Patient/held', 403, { token: 'desk', body: person({ id: 'held' }) }),
  // 8, 9 bundles and criteria
  bad(8, 'a transaction with an entry that is refused', 'POST', '', 404, { body: bundleOf({ request: { method: 'GET', url: `Patient/${CANARY}` } }) }),
  bad(8, 'a transaction with an entry of another server', 'POST', '', 400, { body: bundleOf({ request: { method: 'GET', url: `http://${CANARY}.example/Patient/1` } }) }),
  bad(8, 'a transaction with a conditional reference to nothing', 'POST', '', 412, { body: bundleOf({ resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: `Patient?identifier=${CANARY}` } }, request: { method: 'POST', url: 'Observation' } }) }),
  bad(9, 'a conditional create by an unknown parameter', 'POST', 'Patient', 400, { body: person(), headers: { 'if-none-exist': `shoe=${CANARY}` } }),
  bad(9, 'a conditional create by several', 'POST', 'Patient', 412, { body: person(), headers: { 'if-none-exist': 'active=true' } }),
  bad(9, 'a conditional delete of everything', 'DELETE', 'Patient', 400),
  bad(9, 'a conditional delete by an empty value', 'DELETE', 'Patient?identifier=', 400),
  // 10, 11, 15 tokens
  get(10, 'no token', 'Patient/held', 401, { token: 'none' }),
  get(10, 'alg none', 'Patient/held', 401, bearer(`${jwt({ alg: 'none' }).split('.').slice(0, 2).join('.')}.`)),
  get(10, 'a symmetric algorithm', 'Patient/held', 401, bearer(jwt({ alg: 'HS256' }))),
  get(10, 'a key in the header', 'Patient/held', 401, bearer(jwt({ jwk: { kty: 'oct', k: b64(CANARY) } }))),
  get(10, 'a key by URL', 'Patient/held', 401, bearer(jwt({ jku: `http://169.254.169.254/${CANARY}`, x5u: `http://[::1]/${CANARY}` }))),
  get(10, 'a token that is none', 'Patient/held', 401, bearer(`Bearer ${CANARY}`)),
  get(10, 'another scheme', 'Patient/held', 401, bearer(`Basic ${b64(`user:${CANARY}`)}`)),
  get(10, 'two tokens in one header', 'Patient/held', [400, 401], bearer(`Bearer ${CANARY},Bearer x`)),
  get(10, 'an empty token', 'Patient/held', [400, 401], bearer('Bearer ')),
  get(11, 'a kid that climbs', 'Patient/held', 401, bearer(jwt({ kid: '../../etc/passwd' }))),
  get(11, 'a kid that quotes', 'Patient/held', 401, bearer(jwt({ kid: "' OR 1=1 --" }))),
  get(11, 'a kid of 10 kB', 'Patient/held', [401, 431], bearer(jwt({ kid: CANARY.repeat(1000) }))),
  get(11, 'a kid that is no text', 'Patient/held', 401, bearer(jwt({ kid: { $ne: null } }))),
  get(15, 'a token in the URL', `Patient/held?access_token=${CANARY}`, [400, 401]),
  get(15, 'a token in the URL alone', `Patient/held?access_token=${CANARY}`, 401, { token: 'none' }),
  bad(15, 'a token in a form', 'POST', 'Patient/_search', [400, 401], { body: `access_token=${CANARY}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
  // 17, 18 XML and narrative
  post(17, 'XML with a DTD', `<!DOCTYPE x [<!ENTITY a "${CANARY}">]><Patient>&a;</Patient>`, 400, { headers: { 'content-type': 'application/fhir+xml' } }),
  post(17, 'XML under the name of JSON', `<Patient xmlns="http://hl7.org/fhir"><id value="${CANARY}"/></Patient>`, 400),
  ...[`<script>${CANARY}</script>`, `<img src="x" onerror="${CANARY}"/>`, `<a href="javascript:${CANARY}">x</a>`, `<svg onload="${CANARY}"/>`, `<iframe src="${CANARY}"/>`, `<p style="background:url(${CANARY})">x</p>`,
    `<form action="${CANARY}"/>`, `<object data="${CANARY}"/>`, `<p>${CANARY}`, `<!DOCTYPE x><p>${CANARY}</p>`, `&${CANARY};`, '', '   '
  ].map((inner, index) => post(18, `a narrative that is not of the subset (${index})`, div(inner), [400, 422])),
  post(18, 'a narrative outside its namespace', person({ text: { status: 'generated', div: `<div>${CANARY}</div>` } }), [400, 422]),
  bad(19, 'a Binary without content', 'POST', 'Binary', 400, { body: '', headers: { 'content-type': 'text/html' } }),
  bad(19, 'a Binary of no type', 'POST', 'Binary', 415, { body: CANARY, headers: { 'content-type': CANARY } }),
  bad(19, 'a Binary with data that is no base64', 'POST', 'Binary', 400, { body: { resourceType: 'Binary', contentType: 'text/plain', data: `%${CANARY}` } }),
  // 20 query injection
  get(20, 'a parameter with an operator', `Patient?name[$ne]=${CANARY}`, 400),
  get(20, 'a parameter with an operator alone', `Patient?$where=${CANARY}`, 400),
  get(20, 'a parameter with a path', `Patient?name.family=${CANARY}`, 400),
  get(20, 'a date with an operator', `Patient?birthdate=$gt${CANARY}`, 400),
  get(20, 'a reference with a query', `Observation?subject=Patient%3F${CANARY}`, 400),
  post(20, 'a body with an operator', { $where: CANARY }, 400),
  post(20, 'an element with an operator', person({ $set: { active: CANARY } }), 400),
  post(20, 'an element with a dot', person({ 'name.family': CANARY }), 400),
  // 21 prototypes
  post(21, '__proto__', raw(`"__proto__":{"x":"${CANARY}"}`), 400),
  post(21, '__proto__ by escapes', raw(`"\\u005f_proto__":{"x":"${CANARY}"}`), 400),
  post(21, 'constructor', raw(`"constructor":{"prototype":{"x":"${CANARY}"}}`), 400),
  post(21, 'a prototype deep down', raw(`"contact":[{"name":{"__proto__":{"family":"${CANARY}"}}}]`), 400),
  post(21, 'resourceType __proto__', { resourceType: '__proto__', x: CANARY }, 400),
  get(21, 'a type by that name', '__proto__', 404),
  get(21, 'a parameter by that name', `Patient?__proto__=${CANARY}`, 400),
  get(21, 'a modifier by that name', `Patient?family:constructor=${CANARY}`, 400),
  // 22 depth and JSON
  post(22, 'deep arrays', deep(100_000), 400),
  post(22, 'arrays one level too deep', deep(101), 400),
  post(22, 'deep objects', '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000), 400),
  post(22, 'half a document', `{"resourceType":"Patient","name":[{"family":"${CANARY}`, 400),
  post(22, 'two documents', `${JSON.stringify(person())}${JSON.stringify(person())}`, 400),
  post(22, 'no UTF-8', Buffer.from(`{"resourceType":"Patient","id":"\xff${CANARY}"}`, 'latin1'), 400),
  post(22, 'half a surrogate', raw('"language":"\\ud800"'), 400),
  post(22, 'a number without end', `{"resourceType":"Observation","valueQuantity":{"value":${'9'.repeat(500)}}}`, 400),
  post(22, 'a number out of range', `{"resourceType":"Observation","valueQuantity":{"value":1e999}}`, 400),
  post(22, 'a comment', `{"resourceType":"Patient" /* ${CANARY} */}`, 400),
  post(22, 'text', `"${CANARY}"`, 400),
  post(22, 'null', 'null', 400),
  post(22, 'nothing but space', '   ', 400),
  // 23, 24 size
  post(23, 'a body over the bound', person({ language: CANARY.repeat(500_000) }), 413, { token: 'desk' }),
  bad(23, 'too many entries', 'POST', '', 413, { token: 'desk', body: { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 1001 }, () => ({ request: { method: 'GET', url: 'Patient/x' } })) } }),
  get(23, 'a long URL', `Patient?given=${CANARY.repeat(900)}`, 414),
  post(24, 'a bomb', gzipSync(Buffer.alloc(60_000_000, 0x20)), 413, { headers: { 'content-encoding': 'gzip' } }),
  post(24, 'a broken gzip', CANARY, 400, { headers: { 'content-encoding': 'gzip' } }),
  post(24, 'brotli', CANARY, 415, { headers: { 'content-encoding': 'br' } }),
  post(24, 'two codings', gzipSync(gzipSync(CANARY)), 415, { headers: { 'content-encoding': 'gzip, gzip' } }),
  // 26 cost
  get(26, 'a chain of six', `Observation?subject.general-practitioner.organization.partof.partof.name=${CANARY}`, 422),
  get(26, 'too many values', `Patient?given=${Array.from({ length: 201 }, () => CANARY.slice(0, 4)).join(',')}`, 422),
  get(26, 'includes without end', `Observation?${'_include:iterate=*&'.repeat(11)}`, 422),
  get(26, 'a count that is none', `Patient?_count=${CANARY}`, 400),
  get(26, 'a value without end', `Patient?given=${CANARY.repeat(100)}`, 400),
  // 33, 35 answers
  get(35, 'an unknown type', `${CANARY}/1`, 404),
  get(35, 'an unknown id', `Patient/${CANARY}`, 404),
  get(35, 'an id that is none', `Patient/${CANARY}%20x`, 404),
  get(35, 'a path that climbs', `Patient/%2e%2e/%2e%2e/etc/${CANARY}`, 404),
  get(35, 'a NUL', `Patient?given=${CANARY}%00`, 400),
  get(35, 'a NUL in an id', 'Patient/a%00b', [400, 404]),
  get(35, 'a broken escape', `Patient?given=%zz${CANARY}`, 400),
  get(35, 'bytes that are no UTF-8', 'Patient?given=%ff%fe', 400),
  get(35, 'a parameter that is unknown', `Patient?shoe=${CANARY}`, 400),
  get(35, 'a value in the place of a parameter', `Patient?${CANARY}%20${CANARY}`, 400),
  get(35, 'a date that is none', `Patient?birthdate=${CANARY}`, 400),
  get(35, 'a number that is none', `Observation?value-quantity=${CANARY}`, 400),
  get(35, 'an operation', `Patient/$${CANARY}`, 404),
  get(35, 'a page that is none', `Patient?_page=${CANARY}`, 404),
  get(35, 'a format that is none', `Patient/held?_format=${CANARY}`, 406),
  get(35, 'an Accept that is none', 'Patient/held', 406, { headers: { accept: `text/${CANARY}` } }),
  get(35, 'a history since never', `Patient/held/_history?_since=${CANARY}`, 400),
  get(35, 'a version that is none', `Patient/held/_history/${CANARY}`, 404),
  bad(35, 'an If-Match that is none', 'PUT', 'Patient/held', 400, { body: person({ id: 'held' }), headers: { 'if-match': CANARY } }),
  bad(35, 'a stale If-Match', 'PUT', 'Patient/held', 412, { body: person({ id: 'held' }), headers: { 'if-match': 'W/"99"' } }),
  bad(35, 'a patch of what is none', 'PATCH', 'Patient/held', 422, { body: `[{"op":"add","path":"/__proto__/x","value":"${CANARY}"}]`, headers: { 'content-type': 'application/json-patch+json' } }),
  bad(35, 'a method that is none', 'PATCH', 'Patient/held/_history', 405, { body: `[{"op":"add","path":"/${CANARY}","value":1}]`, headers: { 'content-type': 'application/json-patch+json' } }),
  bad(35, 'a POST where none is', 'POST', 'Patient/held', 405, { body: person() }),
  post(35, 'a media type that is none', JSON.stringify(person()), 415, { headers: { 'content-type': `text/${CANARY}` } }),
  post(35, 'a gender that is none', person({ gender: CANARY }), 422),
  post(35, 'an element that is none', person({ [CANARY.slice(0, 3)]: 1 }), 400),
  post(35, 'a reference that is none', person({ managingOrganization: { reference: `${CANARY} x` } }), [400, 422]),
  post(35, 'a reference to another type', person({ managingOrganization: { reference: `Medication/${CANARY}` } }), 422),
  post(35, 'a url that is none', person({ photo: [{ url: `${CANARY} x` }] }), [400, 422]),
  // 40 doubles
  post(40, 'a key twice', `{"resourceType":"Patient","gender":"male","gender":"${CANARY}"}`, 400),
  post(40, 'a key twice by escapes', `{"resourceType":"Patient","gender":"male","g\\u0065nder":"${CANARY}"}`, 400),
  post(40, 'resourceType twice', `{"resourceType":"Observation","resourceType":"Patient","id":"${CANARY}"}`, 400),
  get(40, 'a result parameter twice', 'Patient?_count=1&_count=1000', 400),
  get(40, '_format twice', `Patient/held?_format=json&_format=${CANARY}`, 400),
  get(40, 'a parameter twice in a history', 'Patient/held/_history?_count=1&_count=2', 400)
]
