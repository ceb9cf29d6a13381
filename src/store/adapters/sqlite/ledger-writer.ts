import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { StoreBroken, StoreUnavailable } from '../../ports.ts'
import { prepare } from './database.ts'
import type { Writer } from './group.ts'
import type { AppendUnit, LedgerUnit } from './messages.ts'
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

function ledgerStatements(db: DatabaseSync) {
  return {
    log: prepare<[Bytes], Log>(db, 'select no,seq,indexed from log where name=?'),
    addLog: prepare<[Bytes, Bytes]>(db, 'insert or ignore into log(name,seq,link,indexed,holder,until) values (?,0,?,0,null,0)'),
    addEntry: prepare<[number, Bytes, Bytes, Bytes]>(db, 'insert into entry(pos,id,sealed,link) values (?,?,?,?)'),
    setHead: prepare<[number, Bytes, number]>(db, 'update log set seq=?,link=? where no=?'),
    // A call for each posting costs half as much again.
    addPostings: prepare<[number, Bytes, string]>(db, 'insert or ignore into posting(log,term,seq) select ?,substr(?,1+16*key,16),value from json_each(?)'),
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

function index(sql: LedgerStatements, unit: Extract<LedgerUnit, { kind: 'index' }>): null {
  const [no, head] = openLog(sql, unit.log)
  if (unit.through !== null && unit.through > head) throw new StoreBroken('The segment ends after the log')
  sql.addPostings.run(no, unit.terms, unit.seqs)
  if (unit.through !== null) sql.setIndexed.run(unit.through, no)
  return null
}

function openLog(sql: LedgerStatements, name: Bytes): Log {
  const known = sql.log.get(name)
  if (known !== undefined) return known
  sql.addLog.run(name, new Uint8Array(LINK_BYTES))
  return sql.log.get(name) as Log
}
