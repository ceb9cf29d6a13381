import type { DatabaseSync } from 'node:sqlite'
import { workerData, type MessagePort } from 'node:worker_threads'
import { openWriter } from './database.ts'
import { toMessage } from './errors.ts'
import { makeGroupRunner, type GroupRunner, type Writer } from './group.ts'
import { makeLedgerWriter } from './ledger-writer.ts'
import type { FromWriter, ToWriter, Unit, WriterStart } from './messages.ts'
import { makeRecordWriter } from './record-writer.ts'
import type { StoreKind } from './schema.ts'

/** The thread of one file: it owns the only writing connection and serves every port that is connected to it. */
function run(start: WriterStart): void {
  const say = (port: MessagePort, message: FromWriter): void => port.postMessage(message)
  let db: DatabaseSync
  try {
    db = openWriter(start.path, start.store)
  } catch (error) {
    say(start.port, { kind: 'failed', error: toMessage(error) })
    start.port.close()
    return
  }
  const groups = openGroups(db, start.store)
  const ports = new Set<MessagePort>()

  const forget = (port: MessagePort): void => {
    ports.delete(port)
    if (ports.size === 0 && db.isOpen) db.close()
  }
  const connect = (port: MessagePort): void => {
    ports.add(port)
    port.on('close', () => { forget(port) })
    port.on('message', (message: ToWriter) => {
      if (message.kind === 'group') say(port, { kind: 'outcomes', outcomes: groups.run(message.units, message.at) })
      else if (message.kind === 'connect') connect(message.port)
      else if (port === start.port) end()
    })
    say(port, { kind: 'ready' })
  }
  const end = (): void => {
    if (db.isOpen) db.close()
    for (const port of ports) port.close()
  }
  connect(start.port)
}

function openGroups(db: DatabaseSync, store: StoreKind): GroupRunner<Unit> {
  const writer = store === 'records' ? makeRecordWriter(db) as Writer<Unit> : makeLedgerWriter(db) as Writer<Unit>
  const begin = db.prepare('begin immediate')
  const commit = db.prepare('commit')
  const runner = makeGroupRunner<Unit>({
    begin: () => { begin.run() },
    commit: () => { commit.run() },
    rollback: () => {
      if (db.isTransaction) db.exec('rollback')
      writer.undone()
    }
  }, (unit, at) => writer.apply(unit, at))
  return {
    run: (units, at) => {
      const outcomes = runner.run(units, at)
      writer.settled(at)
      return outcomes
    }
  }
}

run(workerData as WriterStart)
