import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { StoreBroken, StoreUnavailable, TERM_BYTES } from '../../ports.ts'
import { prepare } from './database.ts'
import type { Writer } from './group.ts'
import type { LedgerUnit, PackedEntries, SequenceUnit } from './messages.ts'
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
      case 'sequence': return sequence(sql, unit)
      case 'index': return index(sql, unit)
      case 'lease': {
        openLog(sql, unit.log)
        return sql.lease.run(unit.holder, unit.until, unit.log, unit.holder, at) === 1
      }
      case 'ping': return null
    }
  }
  // An append that was sent again after a lost answer may stand here beside its sequenced entry.
  db.exec('delete from pending where id in (select p.id from pending p join entry e on e.id=p.id)')
  return { apply, undone: () => {}, settled: () => {} }
}

function ledgerStatements(db: DatabaseSync) {
  return {
    append: prepare<[Bytes, Bytes]>(db, 'insert or ignore into pending(id,sealed) values (?,?)'),
    removePending: prepare<[Bytes]>(db, 'delete from pending where id=?'),
    log: prepare<[Bytes], Log>(db, 'select no,seq,indexed from log where name=?'),
    addLog: prepare<[Bytes, Bytes]>(db, 'insert or ignore into log(name,seq,link,indexed,holder,until) values (?,0,?,0,null,0)'),
    addEntry: prepare<[number, Bytes, Bytes, Bytes]>(db, 'insert into entry(pos,id,sealed,link) values (?,?,?,?)'),
    setHead: prepare<[number, Bytes, number]>(db, 'update log set seq=?,link=? where no=?'),
    addPosting: prepare<[number, Bytes, number]>(db, 'insert or ignore into posting(log,term,seq) values (?,?,?)'),
    setIndexed: prepare<[number, number]>(db, 'update log set indexed=max(indexed,?) where no=?'),
    lease: prepare<[Bytes, number, Bytes, Bytes, number]>(db,
      'update log set holder=?,until=? where name=? and (holder is null or holder=? or until<=?)')
  }
}

function append(sql: LedgerStatements, entries: PackedEntries): null {
  eachEntry(entries, (id, sealed) => { sql.append.run(id, sealed) })
  return null
}

function sequence(sql: LedgerStatements, { log, first, links, ...entries }: SequenceUnit): null {
  const [no, head] = openLog(sql, log)
  if (first !== head + 1) throw new StoreUnavailable('Another process has continued the log')
  const link = (i: number): Bytes => links.subarray(i * LINK_BYTES, (i + 1) * LINK_BYTES)
  eachEntry(entries, (id, sealed, i) => {
    sql.addEntry.run(no * LOG_ROOM + first + i, id, sealed, link(i))
    sql.removePending.run(id)
  })
  sql.setHead.run(first + entries.ends.length - 1, link(entries.ends.length - 1), no)
  return null
}

function eachEntry({ ids, sealed, ends }: PackedEntries, visit: (id: Bytes, sealed: Bytes, i: number) => void): void {
  let from = 0
  ends.forEach((end, i) => {
    visit(ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES), sealed.subarray(from, end), i)
    from = end
  })
}

function index(sql: LedgerStatements, unit: Extract<LedgerUnit, { kind: 'index' }>): null {
  const [no, head] = openLog(sql, unit.log)
  if (unit.through !== null && unit.through > head) throw new StoreBroken('The segment ends after the log')
  unit.seqs.forEach((seq, i) => { sql.addPosting.run(no, unit.terms.subarray(i * TERM_BYTES, (i + 1) * TERM_BYTES), seq) })
  if (unit.through !== null) sql.setIndexed.run(unit.through, no)
  return null
}

function openLog(sql: LedgerStatements, name: Bytes): Log {
  const known = sql.log.get(name)
  if (known !== undefined) return known
  sql.addLog.run(name, new Uint8Array(LINK_BYTES))
  return sql.log.get(name) as Log
}
