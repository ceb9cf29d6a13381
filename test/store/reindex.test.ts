/** Index terms of packages' search parameters: what is found before, during and after a reindex, whoever writes meanwhile, and what it leaves as it is. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { patientLevelTerms } from '../../src/crypto/blind-index.ts'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { isOnMongo } from '../stores.ts'
import { as, found, guide, openBeside, PARAMETERS, putBy, watched } from './reindexing.ts'

const MONTH = '2025-03'
const row = (id: string, more: object = {}, subject = 'p'): Json => ({
  resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${subject}` }, bodySite: { text: 'Leg' }, method: { coding: [{ system: 'urn:m', code: 'other' }] },
  issued: '2024-01-01T00:00:00Z', performer: [{ reference: 'Practitioner/b' }], ...more
})
const wanted = (id: string, subject = 'p'): Json =>
  row(id, { bodySite: { text: 'Armpit' }, method: { coding: [{ system: 'urn:m', code: 'scan' }] }, issued: `${MONTH}-04T00:00:00Z`, performer: [{ reference: 'Practitioner/a' }], implicitRules: 'urn:rules' }, subject)

/** One search by each kind that has terms. */
const OF_PATIENT = ['patient=p&bodypartwords=armp', 'patient=p&bodypartwords:exact=Armpit', 'patient=p&way=urn:m|scan', `patient=p&issued-at=${MONTH}`, 'patient=p&rule=urn:rules'].map((query) => `Observation?${query}`)
const SEARCHES = [...OF_PATIENT, 'Observation?assayer=Practitioner/a', 'Practitioner?training=nur']
/** Of few values, and of a patient's own record. */
const NEVER = ['Observation?patient=p&state=amended', 'Patient?nickname=ann']

let server: Harness
let token: string

const start = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
  server = await startHarness(settings)
  token = await server.token(SYSTEM)
}
const all = (paths: readonly string[] = SEARCHES) => Promise.all(paths.map((path) => found(server, token, path)))
const ids = async (paths?: readonly string[]): Promise<readonly (readonly string[])[]> => (await all(paths)).map((each) => each.ids)
/** What each of SEARCHES finds among `observations`. */
const right = (...observations: readonly string[]): readonly (readonly string[])[] => [...Array<readonly string[]>(6).fill([...observations].sort()), ['n1']]
const isServed = async (): Promise<readonly boolean[]> => (await all()).map(({ text }) => !text.includes('only confirmed'))
const served = (yes: boolean): readonly boolean[] => SEARCHES.map(() => yes)

/** Rows from the time when nobody knew the package. */
async function fill(): Promise<void> {
  await as([], async () => {
    for (const id of ['p', 'q']) await server.put({ resourceType: 'Patient', id, name: [{ use: 'nickname', given: ['Anni'] }] })
    for (const id of ['a', 'b']) await server.put({ resourceType: 'Practitioner', id })
    await server.put({ resourceType: 'Practitioner', id: 'n1', qualification: [{ code: { text: 'Nurse' } }] })
    for (const id of ['w1', 'w2']) await server.put(wanted(id))
    for (const id of ['o1', 'o2', 'o3', 'o4']) await server.put(row(id))
    await server.put({ ...row('o4'), status: 'amended' })
    await server.put(wanted('gone'))
    await server.ask(token, 'DELETE', 'Observation/gone')
  })
}

/** By the server's own process, which saves the opening of another; the command is tried in reindex-processes.test.ts. */
async function reindex(packages: readonly Buffer[] = [guide()], before?: (batch: number | 'end') => Promise<void>, page?: number) {
  const { system } = server.running
  const undo = watched(system, before, page)
  try {
    return await as(packages, () => system.reindex(() => undefined))
  } finally {
    undo()
  }
}

const known = (): Promise<void> => as([guide()], async () => undefined)

describe('reindex', () => {
  beforeEach(async () => {
    await start()
    await fill()
    await known()
  })
  afterEach(async () => {
    await as([], async () => undefined)
    await server.close()
  })

  test('answers are right before, half way and after; only after it are the terms asked for', async () => {
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2'), served(false)])
    const cut = reindex([guide()], async (batch) => { if (batch === 3) throw new Error('cut off') })
    await expect(cut).rejects.toThrow('cut off')
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2'), served(false)])
    const { records, resumed, parameters, unfit } = await reindex()
    expect([records < 11, resumed, parameters, unfit]).toEqual([true, true, 6, []])
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2'), served(true)])
    expect((await all()).map(({ opened }) => opened)).toEqual([2, 2, 2, 2, 2, 2, 1])
    // Few values, and what is a patient's own, have no terms, as R4's have none.
    const never = await all(NEVER)
    expect(never.map((each) => each.ids)).toEqual([['o4'], ['p', 'q']])
    for (const { text } of never) expect(text).toContain('only confirmed')
  })

  test('leaves versions, times, bytes and histories as they are, and the ledger verifies', async () => {
    const paths = ['Observation?_sort=_id', 'Observation/o4/_history', 'Observation/_history', 'Observation/w1', 'Observation/w1/_history/1', 'Practitioner/n1', 'Practitioner/_history', 'Patient/_history']
    const seen = async () => Promise.all(paths.map(async (path) => {
      const { status, headers, json } = await server.ask(token, 'GET', path)
      return { status, etag: headers.get('etag'), modified: headers.get('last-modified'), entries: json.entry ?? json }
    }))
    const before = await seen()
    await reindex()
    expect(await seen()).toEqual(before)
    expect((await server.ask(token, 'GET', 'Observation/gone')).status).toBe(410)
    const { system } = server.running
    await system.ledger.sequence()
    const verified = await system.verify({ versions: true })
    expect([verified.exitCode, verified.problems]).toEqual([0, []])
  })

  test('what is written while it runs has its terms: new rows, new versions and deletions, on either side of where it is', async () => {
    await reindex([guide()], async (batch) => {
      await server.put(wanted(`during-${batch}`))
      if (batch === 1) await server.put(row('w1'))
      if (batch === 2) for (const id of ['o1', 'o2']) await server.put(wanted(id))
      if (batch === 3) await server.ask(token, 'DELETE', 'Observation/w2')
    })
    const during = (await found(server, token, 'Observation?patient=p&_count=100')).ids.filter((id) => id.startsWith('during'))
    expect(during.length).toBeGreaterThan(3)
    expect([await ids(), await isServed()]).toEqual([right('o1', 'o2', ...during), served(true)])
  })

  test('what moves to another patient while it runs stays where it went, with what follows it under the same version', async () => {
    await server.put({ resourceType: 'Provenance', id: 'follows', recorded: '2025-01-01T00:00:00Z', target: [{ reference: 'Observation/w1' }], agent: [{ who: { reference: 'Practitioner/a' } }] })
    let subject = 'p'
    let moves = 0
    // Before each commit, so that it meets each record between being read and being written.
    await reindex([guide()], async () => {
      if (++moves > 12) return
      subject = subject === 'p' ? 'q' : 'p'
      await server.put(wanted('w1', subject))
    })
    if (subject === 'p') await server.put(wanted('w1', 'q'))
    expect(moves).toBeGreaterThan(4)
    expect(await ids(['Observation?patient=p&way=scan', 'Observation?patient=q&way=scan', 'Observation?assayer=Practitioner/a'])).toEqual([['w2'], ['w1'], ['w1', 'w2']])
    const seenBy = async (patient: string): Promise<readonly unknown[]> => {
      const bearer = await server.token({ scope: 'patient/*.rs', patient, fhirUser: `Patient/${patient}` })
      return [idsOf((await server.ask(bearer, 'GET', 'Provenance')).json), (await server.ask(bearer, 'GET', 'Provenance/follows')).status]
    }
    expect([await seenBy('p'), await seenBy('q')]).toEqual([[[], 404], [['Provenance/follows'], 200]])
    expect((await server.ask(token, 'GET', 'Provenance/follows')).json.meta.versionId).toBe('1')
    const { system } = server.running
    await system.ledger.sequence()
    expect((await system.verify({ versions: true })).problems).toEqual([])
  })

  test('nothing is written under the key of a patient who is erased while it runs', async () => {
    await server.put({ ...wanted('shared'), performer: [{ reference: 'Patient/x' }] })
    const { ring, records, erase } = server.running.system
    const key = (await ring.patientKey('x'))!
    const under = async (): Promise<number> => {
      const terms = patientLevelTerms(ring, key, 'Observation', { code: 'way', value: 't:scan' })
      return (await records.find({ type: 'Observation', allOf: [terms], noneOf: [], order: 'newest' }, { after: null, limit: 10, examine: 100 })).records.length
    }
    expect(await under()).toBe(1)
    let erased: unknown = null
    await reindex([guide()], async (batch) => { if (batch === 1) erased = await erase('x') }, 100)
    expect([erased, await under()]).toEqual([{ erased: 0, kept: 1 }, 0])
    // What stays of several patients is found by the one without a key too, by R4's parameters as by the package's.
    const byErased = ['Observation?performer=Patient/x', 'Observation?performer=Patient/x&method=scan', 'Observation?performer=Patient/x&way=scan', 'Observation?performer=Patient/x&way=other']
    expect(await ids(['Observation?patient=p&way=scan', ...byErased])).toEqual([['shared', 'w1', 'w2'], ['shared'], ['shared'], ['shared'], []])
    // With a key again, too: the commit that brings it gives what was left its terms.
    await server.put({ ...wanted('anew'), performer: [{ reference: 'Patient/x' }] })
    expect(await ids(byErased)).toEqual([['anew', 'shared'], ['anew', 'shared'], ['anew', 'shared'], []])
    await server.put({ ...row('shared'), performer: [{ reference: 'Patient/x' }] })
    expect(await ids(byErased)).toEqual([['anew', 'shared'], ['anew'], ['anew'], ['shared']])
  })

  test('nor without the key that an erased patient gets while it runs', async () => {
    await server.put({ ...wanted('shared'), performer: [{ reference: 'Patient/x' }, { reference: 'Patient/y' }] })
    const { erase } = server.running.system
    for (const patient of ['x', 'y']) expect(await erase(patient)).toEqual({ erased: 0, kept: 1 })
    await reindex([guide()], async (batch) => { if (batch === 1) await server.put({ ...wanted('anew'), performer: [{ reference: 'Patient/x' }] }) }, 100)
    const paths = ['x', 'y'].map((patient) => `Observation?performer=Patient/${patient}&way=scan`)
    expect(await ids(paths)).toEqual([['anew', 'shared'], ['shared']])
    // The commit that brings a key may write what was left itself.
    await server.put({ ...wanted('shared'), performer: [{ reference: 'Patient/y' }] })
    expect(await ids(paths)).toEqual([['anew'], ['shared']])
  })

  test('a record that one parameter reads very much of is found under its mark', async () => {
    const codings = Array.from({ length: 150 }, (_, at) => ({ system: 'urn:m', code: `m${at}` }))
    await as([], async () => { await server.put(row('many', { method: { coding: codings } })) })
    await reindex()
    await server.put(row('more', { method: { coding: codings } }))
    const [one, none] = await all(['Observation?patient=p&way=m149', 'Observation?patient=p&way=scan'])
    expect([one!.ids, none!.ids, one!.text.includes('only confirmed')]).toEqual([['many', 'more'], ['w1', 'w2'], false])
  })

  const performer = Array.from({ length: 100 }, (_, at) => ({ reference: `Patient/x${at}` }))
  const crowd = { ...wanted('crowd'), performer }
  /** Identifiers with which it has R4's 1,024 terms. */
  const FULL = 619

  test('a record of very many patients is found, and written again, as before the package', async () => {
    await as([], async () => { await server.put(crowd) })
    expect(await reindex()).toMatchObject({ parameters: 6, unfit: [] })
    await server.put({ ...crowd, id: 'again' })
    const theirs = [...Array<readonly string[]>(5).fill(['again', 'crowd', 'w1', 'w2']), ['w1', 'w2'], ['n1']]
    expect([await ids(), await isServed(), await ids(['Observation?patient=p&way=other'])]).toEqual([theirs, served(true), [['o1', 'o2', 'o3', 'o4']]])
    // Its mark is the tenant's; a search of others does not open it for that.
    expect(await found(server, token, `Observation?patient=q&issued-at=${MONTH}`)).toMatchObject({ ids: [], opened: 0 })
  })

  test('a record that R4 fills to the last term is taken and served as without the package, and one term more is refused as without it', async () => {
    const identified = (more: number) => ({ ...crowd, id: 'full', identifier: Array.from({ length: more }, (_, at) => ({ system: 'urn:i', value: `i${at}` })) })
    const put = async (more: number) => (await server.ask(token, 'PUT', 'Observation/full', { body: identified(more) })).status
    await as([], async () => { expect([await put(FULL + 1), await put(FULL)]).toEqual([413, 201]) })
    const theirs = [...Array<readonly string[]>(5).fill(['full', 'w1', 'w2']), ['w1', 'w2'], ['n1']]
    const cut = reindex([guide()], async (batch) => { if (batch === 'end') throw new Error('cut off') })
    await expect(cut).rejects.toThrow('cut off')
    expect(await reindex()).toEqual({ records: 0, parameters: 6, resumed: true, unfit: [] })
    expect([await ids(), await isServed()]).toEqual([theirs, served(true)])
    expect([await put(FULL + 1), await put(FULL)]).toEqual([413, 200])
    expect([await ids(), await isServed()]).toEqual([theirs, served(true)])
  })

  test('a process that was started before the package gives up the promise before its first write', async () => {
    await reindex()
    const old = await openBeside(server.running.system.config, [])
    try {
      expect(await (await known(), isServed())).toEqual(served(true))
      await as([], async () => putBy(old, wanted('old-1')))
      await known()
      expect([await ids(), await isServed()]).toEqual([right('w1', 'w2', 'old-1'), served(false)])
      await reindex()
      expect([await ids(), await isServed()]).toEqual([right('w1', 'w2', 'old-1'), served(true)])
    } finally {
      await old.close()
    }
  })

  test.each([4, 'end'] as const)('one that looked just before a reindex began cannot write past it (%s): the reindex says so, and answers stay right', async (when) => {
    const old = await openBeside(server.running.system.config, [])
    try {
      // It has looked, and trusts that for a second.
      await as([], async () => putBy(old, row('old-0')))
      await known()
      const cut = reindex([guide()], async (batch) => {
        if (batch === when) await as([], async () => putBy(old, wanted('old-1')))
        await known()
      })
      await expect(cut).rejects.toThrow(/^A server wrote that knows other packages or another BASE_URL than this command: restart all servers, then run reindex again$/)
      expect([await ids(), await isServed()]).toEqual([right('w1', 'w2', 'old-1'), served(false)])
    } finally {
      await old.close()
    }
    await reindex()
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2', 'old-1'), served(true)])
  })

  test('another version of a package is confirmed until it has terms of its own; one that is removed and comes back, too', async () => {
    await reindex()
    const changed = guide(PARAMETERS.map((each) => (each.code === 'way' ? { ...each, expression: 'Observation.category' } : each)), { version: '2.0.0' })
    await as([changed], async () => {
      const path = 'Observation?patient=p&way=scan'
      expect(await found(server, token, path)).toMatchObject({ ids: [], opened: 6 })
      await server.put(row('by-category', { category: [{ coding: [{ code: 'scan' }] }] }))
      expect(await found(server, token, path)).toMatchObject({ ids: ['by-category'], opened: 7 })
      expect((await isServed()).map((yes, at) => yes || SEARCHES[at]!.includes('way='))).toEqual(served(true))
      await reindex([changed])
      expect(await found(server, token, path)).toMatchObject({ ids: ['by-category'], opened: 1 })
    })
    // What was there all the time is served all the time; what reads otherwise is not, though its terms had the same name.
    await known()
    expect([(await ids())[2], (await isServed())[2], (await isServed())[0]]).toEqual([['w1', 'w2'], false, true])
    await as([], async () => { await reindex([]) })
    await known()
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2'), served(false)])
  })

  test('of two at once the later one takes over', async () => {
    const first = reindex([guide()], async (batch) => { if (batch === 2) await reindex() })
    await expect(first).rejects.toThrow('Another reindex has taken over')
    expect([await ids(), await isServed()]).toEqual([right('w1', 'w2'), served(true)])
  })

  test('is refused under another BASE_URL than the servers have', async () => {
    const { config } = server.running.system
    const other = await openBeside({ ...config, fhirBase: 'http://elsewhere.example/fhir/R4' }, [guide()])
    await expect(other.reindex(() => undefined)).rejects.toThrow('BASE_URL is not that of the servers of this store')
    await other.close()
    expect((await reindex()).parameters).toBe(6)
  })

  test('a caller who may not see rows is told the same with and without them', async () => {
    const anna = await server.token({ scope: 'patient/*.rs', patient: 'p', fhirUser: 'Patient/p' })
    const asked = async (): Promise<readonly Json[]> => Promise.all([...SEARCHES.slice(0, 6), 'Observation?way=scan', 'Observation?bodypartwords=armp&_count=1&_total=accurate'].map(async (path) => {
      const { status, json } = await server.ask(anna, 'GET', path)
      return [status, json.total ?? null, (json.entry ?? []).map((entry: Json) => entry.resource), (json.link ?? []).map(({ relation }: Json) => relation)]
    }))
    await reindex()
    const without = await asked()
    for (const id of ['q1', 'q2', 'q3']) await server.put(wanted(id, 'q'))
    expect(await asked()).toEqual(without)
    await as([], async () => { for (const id of ['q4', 'q5']) await server.put(wanted(id, 'q')) })
    await known()
    await reindex()
    expect(await asked()).toEqual(without)
    expect(without[0]![2].map(({ id }: Json) => id)).toEqual(['w2', 'w1'])
    expect((await found(server, token, 'Observation?assayer=Practitioner/a')).ids.length).toBe(7)
  })

  test.skipIf(isOnMongo)('nothing of it can be read at rest, and a second run changes no term', async () => {
    await reindex()
    const { dir } = server
    const rows = (): Json => {
      const db = new DatabaseSync(join(dir, 'wardkeep.db'), { readOnly: true })
      try {
        return ['record', 'posting', 'version', 'version_posting'].map((table) => db.prepare(`select * from ${table}`).all())
      } finally {
        db.close()
      }
    }
    const before = rows()
    await reindex()
    expect(rows()).toEqual(before)
    const files = readdirSync(dir).filter((name) => name.startsWith('wardkeep.db')).map((name) => readFileSync(join(dir, name)))
    expect(files.length).toBeGreaterThan(0)
    for (const word of ['bodypartwords', 'guide.example', 'bodySite', 'qualification', 'building', 'whole', 'through', 'Armpit', '/fhir/R4']) for (const bytes of files) expect([word, bytes.includes(word)]).toEqual([word, false])
    await as([], async () => { await reindex([]) })
    const plain = rows()
    expect([plain[0].length, plain[1].length < before[1].length]).toEqual([before[0].length, true])
  })
})

test.skipIf(isOnMongo)('without packages a reindex changes no term of any record', async () => {
  await start()
  try {
    await fill()
    const postings = (): Json => {
      const db = new DatabaseSync(join(server.dir, 'wardkeep.db'), { readOnly: true })
      try {
        return [db.prepare('select * from posting').all(), db.prepare('select * from record').all()]
      } finally {
        db.close()
      }
    }
    const before = postings()
    expect((await reindex([])).parameters).toBe(0)
    expect(postings()).toEqual(before)
  } finally {
    await server.close()
  }
})

describe('a search that was too costly', () => {
  test('says what would help, and is answered after it', async () => {
    await start({ SCAN_RECORDS_MAX: '3' })
    try {
      await fill()
      await known()
      const path = 'Observation?patient=p&bodypartwords=armp'
      const refused = await found(server, token, path)
      expect([refused.status, refused.text]).toEqual([422, expect.stringContaining("'bodypartwords' is not served by an index here (`wardkeep reindex` gives 'bodypartwords' one)")])
      const unnamed = await found(server, token, 'Observation?patient=p&state=amended')
      expect([unnamed.status, unnamed.text.includes('reindex')]).toEqual([422, false])
      await reindex()
      expect(await found(server, token, path)).toMatchObject({ status: 200, ids: ['w1', 'w2'], opened: 2 })
      expect((await found(server, token, 'Observation?patient=p&state=amended')).status).toBe(422)
    } finally {
      await as([], async () => undefined)
      await server.close()
    }
  })
})
