/**
 * Current records as they were last read, given again while nobody has written them. SQLite tells whether anything was committed since the
 * last look, and each commit leaves its id in `done`: ids that this connection sent say which records changed; after a commit of anybody
 * else every record is read again.
 */
import type { DatabaseSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { byteText } from '../../../crypto/bytes.ts'
import type { Bytes } from '../../../model/resource.ts'
import type { Carried } from '../../candidates.ts'
import { KEPT_BYTES_MAX, KEPT_RECORD_BYTES_MAX, keptBytes } from '../../same-records.ts'
import type { Key, Stored } from '../../ports.ts'
import { prepare } from './database.ts'

export interface KeptRecord extends Carried {
  readonly recno: number
  readonly key: Key
  /** Number of its type. */
  readonly type: number
  /** Null where it was only tested. */
  readonly stored: Stored | null
}

export interface KeptRecords {
  /** Drops what the snapshot of the read transaction under way no longer holds. Comes before anything else of the transaction. */
  catchUp(): void
  get(recno: number): KeptRecord | undefined
  /** The same for a look that keeps it no longer. */
  peek(recno: number): KeptRecord | undefined
  byKey(key: Key): KeptRecord | undefined
  keep(record: KeptRecord): void
  /** This commit is about to be sent, and will change these records. */
  sent(id: Bytes, keys: readonly Key[]): void
  /** A write of any kind is about to be sent; to be called again, by what this returns, when it is answered. */
  writing(): () => void
}

/** Commits of which it is known what they change. */
const SENT_MAX = 10_000
const COMMITS_MAX = 1000
/** Of a record, beside its bytes. */
const OVERHEAD = 400

export function keptRecords(db: DatabaseSync, bytesMax = KEPT_BYTES_MAX): KeptRecords {
  const changes = changesOf(db)
  const own = { under: 0, since: false }
  const names = new Map<string, number>()
  const records = new LRUCache<number, KeptRecord>({
    maxSize: bytesMax, sizeCalculation: ({ stored, terms }) => (stored === null ? 0 : keptBytes(stored)) + terms.length + OVERHEAD,
    dispose: ({ key }) => { names.delete(byteText(key)) }
  })
  const sent = new LRUCache<string, readonly string[]>({ max: SENT_MAX })
  const drop = (name: string): void => {
    const recno = names.get(name)
    if (recno !== undefined) records.delete(recno)
  }
  return {
    catchUp() {
      const ids = changes()
      // Something was committed that is no commit of the port: it was ours, or it is not known what it was.
      const isForeign = ids?.length === 0 && ids !== NONE && !own.since
      own.since = own.under > 0
      if (ids === NONE) return
      const known = ids === null || isForeign ? undefined : ids.map((id) => sent.get(id))
      if (known === undefined || known.includes(undefined)) records.clear()
      else for (const changed of known) for (const name of changed!) drop(name)
      for (const id of ids ?? []) sent.delete(id)
    },
    get: (recno) => records.get(recno, NO_OPTIONS),
    peek: (recno) => records.peek(recno),
    byKey(key) {
      const recno = names.get(byteText(key))
      return recno === undefined ? undefined : records.get(recno)
    },
    keep(record) {
      if ((record.stored?.sealed.length ?? 0) > KEPT_RECORD_BYTES_MAX) return
      records.set(record.recno, record)
      // One that is larger than all of it is not kept.
      if (records.has(record.recno)) names.set(byteText(record.key), record.recno)
    },
    sent(id, keys) {
      sent.set(byteText(id), keys.map(byteText))
    },
    writing() {
      own.under += 1
      own.since = true
      return () => { own.under -= 1 }
    }
  }
}

const NONE: readonly string[] = []
/** The cache would make an object for each look, and writes nothing into it while nobody asks how it does. */
const NO_OPTIONS = {}

/** Ids of the commits since it was last called; null: that cannot be told. */
function changesOf(db: DatabaseSync): () => readonly string[] | null {
  const moment = prepare<[], [number]>(db, 'pragma data_version')
  const newest = prepare<[], [n: number, id: Bytes]>(db, 'select n,id from done order by n desc limit 1')
  const since = prepare<[number, number], [n: number, id: Bytes]>(db, 'select n,id from done where n>=? order by n limit ?')
  let seen = -1
  let last: readonly [n: number, id: string] | null = null
  return () => {
    const [now] = moment.get() as [number]
    if (now === seen) return NONE
    seen = now
    const before = last
    const rows = before === null ? [] : since.all(before[0], COMMITS_MAX)
    const [first, ...rest] = rows.map(([, id]) => byteText(id))
    const end = rows.length === 0 || rows.length === COMMITS_MAX ? newest.get() : rows.at(-1)
    last = end === undefined ? null : [end[0], byteText(end[1])]
    // The commit that was the last one is there still, but where a day has passed since.
    return before !== null && first === before[1] && rows.length < COMMITS_MAX ? rest : null
  }
}
