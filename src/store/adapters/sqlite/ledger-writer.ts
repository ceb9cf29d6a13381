import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { StoreBroken, StoreUnavailable, TERM_BYTES } from '../../ports.ts'
import { prepare } from './database.ts'
import type { Writer } from './group.ts'
import type { AppendUnit, IndexUnit, LedgerUnit } from './messages.ts'
import { BLOCK_ENTRIES, inOrder, listSeqs, listText, textSeqs, type ListText } from './posting-lists.ts'
import { LOG_ROOM } from './schema.ts'

const ID_BYTES = 16
const LINK_BYTES = 32

type LedgerStatements = ReturnType<typeof ledgerStatements>
type Log = [no: number, seq: number, indexed: number]

/** Applies units of the ledger inside the transaction that the group runner holds open. */
export function makeLedgerWriter(db: DatabaseSync): Writer<LedgerUnit> {
  const sql = ledgerStatements(db)
  const apply = (unit: LedgerUnit, at: number): unknown => {
    switch (unit.kind) {
      case 'append': return append(sql, unit)
      case 'index': return index(sql, unit)
      case 'lease': {
        openLog(sql, unit.log)
        return sql.lease.run(unit.holder, unit.until, unit.log, unit.holder, at) === 1
      }
      case 'ping': return null
    }
  }
  return { apply, undone: () => {}, settled: () => {} }
}

/** All lists of a unit go in by one statement: a call for each costs half as much again where most are of one. */
export const INDEX_SQL = {
  addLists: `insert or ignore into posting(log,term,top,below) select ?1,substr(?2,1+16*key,16),
    iif(type='text',cast(value as integer),value),iif(type='text',unhex(substr(value,1+instr(value,':'))),null) from json_each(?3)`,
  sameBlock: `with list(i,block) as (select key,(cast(value as integer)-1)/${BLOCK_ENTRIES} from json_each(?3))
    select i,top,below from list cross join posting on log=?1 and term=substr(?2,1+16*i,16)
    and top>block*${BLOCK_ENTRIES} and top<=(block+1)*${BLOCK_ENTRIES}`,
  dropList: 'delete from posting where log=? and term=? and top=?'
} as const

function ledgerStatements(db: DatabaseSync) {
  return {
    log: prepare<[Bytes], Log>(db, 'select no,seq,indexed from log where name=?'),
    addLog: prepare<[Bytes, Bytes]>(db, 'insert or ignore into log(name,seq,link,indexed,holder,until) values (?,0,?,0,null,0)'),
    addEntry: prepare<[number, Bytes, Bytes, Bytes]>(db, 'insert into entry(pos,id,sealed,link) values (?,?,?,?)'),
    setHead: prepare<[number, Bytes, number]>(db, 'update log set seq=?,link=? where no=?'),
    addLists: prepare<[number, Bytes, string]>(db, INDEX_SQL.addLists),
    sameBlock: prepare<[number, Bytes, string], [number, number, Bytes | null]>(db, INDEX_SQL.sameBlock),
    dropList: prepare<[number, Bytes, number]>(db, INDEX_SQL.dropList),
    setIndexed: prepare<[number, number]>(db, 'update log set indexed=max(indexed,?) where no=?'),
    lease: prepare<[Bytes, number, Bytes, Bytes, number]>(db,
      'update log set holder=?,until=? where name=? and (holder is null or holder=? or until<=?)')
  }
}

function append(sql: LedgerStatements, { log, first, links, ids, sealed, ends }: AppendUnit): null {
  const [no, head] = openLog(sql, log)
  if (first !== head + 1) throw new StoreUnavailable('Another process has continued the log')
  const link = (i: number): Bytes => links.subarray(i * LINK_BYTES, (i + 1) * LINK_BYTES)
  const start = no * LOG_ROOM + first
  let from = 0
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!
    sql.addEntry.run(start + i, ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES), sealed.subarray(from, end), link(i))
    from = end
  }
  sql.setHead.run(first + ends.length - 1, link(ends.length - 1), no)
  return null
}

function index(sql: LedgerStatements, unit: IndexUnit): null {
  const [no, head] = openLog(sql, unit.log)
  if (unit.through !== null && unit.through > head) throw new StoreBroken('The segment ends after the log')
  const added = (lists: string): number => sql.addLists.run(no, unit.terms, lists)
  if (unit.merge || added(unit.lists) < unit.terms.length / TERM_BYTES) added(merged(sql, no, unit))
  if (unit.through !== null) sql.setIndexed.run(unit.through, no)
  return null
}

/** The lists of the unit with what their blocks hold of the terms already. Rows that are not as they will be are taken away. */
function merged(sql: LedgerStatements, no: number, { terms, lists }: IndexUnit): string {
  const all = JSON.parse(lists) as ListText[]
  for (const [i, rows] of Map.groupBy(sql.sameBlock.all(no, terms, lists), ([of]) => of)) {
    const seqs = rows.flatMap(([, top, below]) => listSeqs(top, below))
    const list = listText(inOrder([...seqs, ...textSeqs(all[i]!)]))
    for (const [, top, below] of rows) {
      if (listText(listSeqs(top, below).reverse()) !== list) sql.dropList.run(no, terms.subarray(i * TERM_BYTES, (i + 1) * TERM_BYTES), top)
    }
    all[i] = list
  }
  return JSON.stringify(all)
}

function openLog(sql: LedgerStatements, name: Bytes): Log {
  const known = sql.log.get(name)
  if (known !== undefined) return known
  sql.addLog.run(name, new Uint8Array(LINK_BYTES))
  return sql.log.get(name) as Log
}
