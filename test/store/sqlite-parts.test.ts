import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { carried, holdsAny, passes, positionParts, termSet, versionPosition } from '../../src/store/candidates.ts'
import { toStoreError } from '../../src/store/adapters/sqlite/errors.ts'
import { makeGroupRunner } from '../../src/store/adapters/sqlite/group.ts'
import { INDEX_SQL } from '../../src/store/adapters/sqlite/ledger-writer.ts'
import { LOOKUP_SQL } from '../../src/store/adapters/sqlite/ledger-lookup.ts'
import { exact } from '../../src/store/adapters/sqlite/messages.ts'
import { postingSql } from '../../src/store/adapters/sqlite/postings.ts'
import { COUNT_SQL, typeSql } from '../../src/store/adapters/sqlite/reader.ts'
import { LEDGER_SCHEMA, RECORD_SCHEMA } from '../../src/store/adapters/sqlite/schema.ts'
import { packRecords } from '../../src/store/adapters/sqlite/store.ts'
import { POSTINGS_SQL } from '../../src/store/adapters/sqlite/transfer.ts'
import { StoreBroken, StoreUnavailable } from '../../src/store/ports.ts'
import { named, packed } from './conformance/fixtures.ts'

describe('the plan of every statement over postings and types (without statistics)', () => {
  const db = new DatabaseSync(':memory:')
  db.exec(RECORD_SCHEMA)
  const planOf = (sql: string): string[] => db.prepare(`explain query plan ${sql}`).all().map(({ detail }) => String(detail))
  const searches = (sql: string): string[] => planOf(sql).filter((line) => /SEARCH|SCAN (?!q$|CONSTANT|\(sub)|TEMP/.test(line))

  for (const order of ['newest', 'oldest'] as const) {
    const places = (columns: string): string => order === 'newest' ? `updated>? AND (${columns})<` : `(${columns})>`
    const end = order === 'newest' ? '' : ' AND updated<?'

    it(`seeks and streams by index, ${order} first`, () => {
      const sql = postingSql('posting', order)
      expect(searches(sql.count)).toEqual(['SEARCH p USING PRIMARY KEY (term=? AND updated>? AND updated<?)'])
      expect(searches(sql.list)).toEqual([`SEARCH posting USING PRIMARY KEY (term=? AND ${places('updated,recno')}(?,?)${end})`])
      expect(searches(sql.recnos)).toEqual(searches(sql.list))
      expect(searches(sql.sorted)).toEqual([`SEARCH p USING PRIMARY KEY (term=? AND ${places('updated,recno')}(?,?)${end})`, 'USE TEMP B-TREE FOR ORDER BY'])
      expect(searches(sql.heads)).toEqual([`SEARCH posting USING PRIMARY KEY (term=? AND ${places('updated,recno')}(?,?)${end})`, 'USE TEMP B-TREE FOR ORDER BY'])
      expect(searches(sql.moment)).toEqual([`SEARCH p USING PRIMARY KEY (term=? AND updated=? AND recno${order === 'newest' ? '<' : '>'}?)`, 'USE TEMP B-TREE FOR ORDER BY'])
      const old = postingSql('version_posting', order)
      expect(searches(old.list)).toEqual([`SEARCH version_posting USING PRIMARY KEY (term=? AND ${places('updated,recno,version')}(?,?,?)${end})`])
      const type = typeSql(order)
      const recno = `recno${order === 'newest' ? '<' : '>'}?`
      expect(searches(type.ofType.moment)).toEqual([`SEARCH record USING COVERING INDEX record_type (type=? AND updated=? AND ${recno})`])
      expect(searches(type.ofType.rest)).toEqual(['SEARCH record USING COVERING INDEX record_type (type=? AND updated>? AND updated<?)'])
      expect(searches(type.scanType.moment)).toEqual([`SEARCH record USING INDEX record_type (type=? AND updated=? AND ${recno})`])
      expect(searches(type.scanType.rest)).toEqual(['SEARCH record USING INDEX record_type (type=? AND updated>? AND updated<?)'])
      expect(searches(type.versionsOfType)).toEqual([`SEARCH version USING COVERING INDEX version_type (type=? AND ${places('updated,recno,version')}(?,?,?)${end})`])
    })
  }

  it('counts without a sort', () => {
    expect(searches(COUNT_SQL.countType)).toEqual(['SEARCH record USING COVERING INDEX record_type (type=? AND updated>? AND updated<?)'])
    expect(searches(COUNT_SQL.countTerms)).toEqual(['SEARCH p USING PRIMARY KEY (term=? AND updated>? AND updated<?)', 'USE TEMP B-TREE FOR DISTINCT'])
    expect(searches(COUNT_SQL.countTermsOfType)).toEqual(
      ['SEARCH p USING PRIMARY KEY (term=? AND updated>? AND updated<?)', 'SEARCH r USING INTEGER PRIMARY KEY (rowid=?)', 'USE TEMP B-TREE FOR DISTINCT'])
  })
})

describe('the plan of every statement over the postings of the ledger', () => {
  const db = new DatabaseSync(':memory:')
  db.exec(LEDGER_SCHEMA)
  const planOf = (sql: string): string[] => db.prepare(`explain query plan ${sql}`).all().map(({ detail }) => String(detail)).filter((line) => /SEARCH|SCAN|TEMP/.test(line))
  const key = (rest: string): string => `SEARCH posting USING PRIMARY KEY (log=? AND term=?${rest})`
  const given = 'SCAN json_each VIRTUAL TABLE INDEX 1:'

  it('seeks by the primary key, and goes once over the lists that it is given', () => {
    expect(planOf(INDEX_SQL.addLists)).toEqual([given])
    expect(planOf(INDEX_SQL.sameBlock)).toEqual([given, key(' AND top>? AND top<?')])
    expect(planOf(INDEX_SQL.dropList)).toEqual([key(' AND top=?')])
    expect(planOf(LOOKUP_SQL.newest).filter((line) => !/ (q|CONSTANT ROW)$/.test(line))).toEqual([key(' AND top>?'), key(' AND top<?')])
    expect(planOf(LOOKUP_SQL.rows)).toEqual([key(' AND top<?')])
    expect(planOf(POSTINGS_SQL)).toEqual(['SEARCH posting USING PRIMARY KEY (log=? AND (term,top)>(?,?))', 'SEARCH log USING COVERING INDEX sqlite_autoindex_log_1 (name=?)'])
  })
})

describe('a group of commits', () => {
  const failure = (errcode: number): Error => Object.assign(new Error('driver text'), { errcode })
  const runner = (commit: () => void, calls: string[] = []) => makeGroupRunner<number>({
    begin: () => { calls.push('begin') },
    commit: () => { calls.push('commit'); commit() },
    rollback: () => { calls.push('rollback') }
  }, (unit) => {
    if (unit < 0) throw new Error('refused')
    return unit
  })

  it('shares one transaction, and after an error each unit has its own', () => {
    const calls: string[] = []
    expect(runner(() => {}, calls).run([1, 2], 0)).toEqual([{ value: 1 }, { value: 2 }])
    expect(calls).toEqual(['begin', 'commit'])
    const outcomes = runner(() => {}).run([1, -1, 3], 0)
    expect(outcomes.map((outcome) => 'value' in outcome ? outcome.value : outcome.error.name)).toEqual([1, 'StoreBroken', 3])
  })

  it('whose COMMIT fails to sync breaks the store for everything after', () => {
    let failing = true
    const groups = runner(() => { if (failing) throw failure(1034) })
    expect(groups.run([1, 2], 0)).toEqual([1, 2].map(() => ({ error: { name: 'StoreBroken', text: 'A commit failed' } })))
    failing = false
    expect(groups.run([3], 0)).toEqual([{ error: { name: 'StoreBroken', text: 'An earlier commit failed' } }])
  })

  it('that finds the disk full or the file locked can be tried again', () => {
    for (const errcode of [5, 13]) {
      let failing = true
      const groups = runner(() => { if (failing) throw failure(errcode) })
      expect(groups.run([1], 0)).toMatchObject([{ error: { name: 'StoreUnavailable' } }])
      failing = false
      expect(groups.run([1], 0)).toEqual([{ value: 1 }])
    }
  })

  it('holds at most 256 commits, 1,000 records and 8 MiB; a larger commit goes alone', () => {
    const waiting = (puts: number, bytes: number) => ({ item: { unit: { kind: 'ping' } as const, puts, bytes }, resolve: () => {}, reject: () => {} })
    const sizes = (queue: ReturnType<typeof waiting>[]): number[] => {
      const taken: number[] = []
      while (queue.length > 0) taken.push(packRecords(queue).units.length)
      return taken
    }
    expect(sizes(Array.from({ length: 300 }, () => waiting(1, 10)))).toEqual([256, 44])
    expect(sizes([waiting(600, 1), waiting(400, 1), waiting(1, 1)])).toEqual([2, 1])
    expect(sizes([waiting(1, 1), waiting(1, 9 * 2 ** 20), waiting(1, 1)])).toEqual([1, 1, 1])
  })
})

describe('what leaves the adapter', () => {
  it('is an error of the port, without the driver\'s text', () => {
    const driver = (errcode: number): Error => Object.assign(new Error('/secret/path'), { errcode, code: 'ERR_SQLITE_ERROR' })
    for (const code of [5, 6, 13, 14, 517]) expect(toStoreError(driver(code))).toBeInstanceOf(StoreUnavailable)
    for (const code of [1, 10, 11, 19, 26, 1034, 2067]) expect(toStoreError(driver(code))).toBeInstanceOf(StoreBroken)
    const denied = Object.assign(new Error("EACCES: permission denied, open '/secret/path'"), { code: 'EACCES' })
    expect(toStoreError(denied)).toMatchObject({ message: 'The store failed (EACCES): the files under DATA_DIR cannot be made or written' })
    for (const error of [driver(11), denied, Object.assign(new Error('/secret/path'), { code: '/secret' }), new RangeError('/secret/path'), '/secret/path']) expect(toStoreError(error).message).not.toContain('secret')
  })

  it('is posted in buffers of exactly its length', () => {
    const pooled = Buffer.from('from a pool')
    expect(pooled.buffer.byteLength).toBeGreaterThan(pooled.length)
    expect(exact(pooled).buffer.byteLength).toBe(pooled.length)
    const own = new Uint8Array(3)
    expect(exact(own)).toBe(own)
    expect(exact(own.subarray(1)).buffer.byteLength).toBe(2)
  })
})

describe('candidates', () => {
  const borne = (names: readonly string[]) => carried(packed(names))
  it('are tested on whole terms, though four bytes of their digests be equal', () => {
    const twin = named('a')
    twin[15] = (twin[15] as number) ^ 1
    expect(holdsAny(borne(['a', 'b']), termSet([named('c'), twin, named('a')]))).toBe(true)
    expect(holdsAny(borne(['a', 'b']), termSet([twin]))).toBe(false)
    expect(termSet([named('a'), named('a'), twin]).size).toBe(2)
    expect(holdsAny(borne(['a']), termSet([]))).toBe(false)
    expect(passes(borne(['a', 'b']), [termSet([named('a')]), termSet([named('b')])], termSet([named('c')]))).toBe(true)
    expect(passes(borne(['a', 'b']), [termSet([named('a')])], termSet([named('b')]))).toBe(false)
    expect(passes(borne([]), [], null)).toBe(true)
  })

  it('have positions that name a version', () => {
    const position = versionPosition({ key: named('a'), version: 70_000, updated: 5 })
    expect(positionParts(position)).toEqual({ key: named('a'), version: 70_000 })
    expect(positionParts({ updated: 5, key: named('a') })).toEqual({ key: named('a'), version: null })
  })
})
