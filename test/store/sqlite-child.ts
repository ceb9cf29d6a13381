import { isMainThread, workerData, type MessagePort } from 'node:worker_threads'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import type { RecordStore } from '../../src/store/ports.ts'
import { commitOf, named, put } from './conformance/fixtures.ts'

/** Run by sqlite-file.test.ts as a process (arguments: task, path) or as a thread (workerData). */
const TASKS: Readonly<Record<string, (path: string) => Promise<void>>> = { increments, writesUntilKilled, opensAndCloses }

export const INCREMENTS = 60

/** Raises the version of the record `shared` so many times, by compare and set. */
export async function raise(store: RecordStore, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    const version = (await store.get([named('shared')]))[0]?.version ?? 0
    const { kind } = await store.commit(commitOf({ puts: [put('shared', { expect: version })] }))
    if (kind === 'done') done++
  }
}

async function increments(path: string, writer?: MessagePort): Promise<void> {
  const store = await openSqliteStore({ path, now: Date.now, ...(writer === undefined ? {} : { writer }) })
  await raise(store, INCREMENTS)
  await store.close()
}

/** Prints the number of each record when its commit is acknowledged. */
async function writesUntilKilled(path: string): Promise<void> {
  const store = await openSqliteStore({ path, now: Date.now })
  await Promise.all(Array.from({ length: 8 }, async (_, client) => {
    for (let i = client; ; i += 8) {
      await store.commit(commitOf({ puts: [put(`r${i}`, { terms: ['t', `t${i}`] })] }))
      process.stdout.write(`${i}\n`)
    }
  }))
}

async function opensAndCloses(path: string): Promise<void> {
  const store = await openSqliteStore({ path, now: Date.now })
  const ledger = await openSqliteLedger({ path: `${path}.ledger`, now: Date.now })
  await raise(store, 2)
  await ledger.append(named('cli').slice(0, 8), [{ seq: 1, id: named('entry'), sealed: named('sealed'), link: new Uint8Array(32) }])
  await Promise.all([store.close(), ledger.close()])
}

const [, , task = '', path = ''] = process.argv
if (isMainThread) {
  // Imported by a test, it has no task.
  await TASKS[task]?.(path)
} else if (workerData !== null && 'writer' in workerData) {
  const given = workerData as { path: string; writer: MessagePort }
  await increments(given.path, given.writer)
}
