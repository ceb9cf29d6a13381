/**
 * Where entries wait while the ledger's store does not take them: a local file of sealed entries, each as u32 length ‖ id 16 ‖ sealed,
 * synced before it is acknowledged. What a crash cut off was never acknowledged.
 */
import { open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Bytes } from '../model/resource.ts'
import type { OutboxEntry } from '../store/ports.ts'

export interface Spool {
  /** Durable when it resolves. */
  append(entry: OutboxEntry): Promise<void>
  /** Hands every waiting entry to `put` and empties the file when all were taken; rejects, and keeps all, when one was not. */
  replay(put: (entries: readonly OutboxEntry[]) => Promise<void>): Promise<number>
  /** Entries may be waiting. */
  waiting(): boolean
  close(): Promise<void>
}

export function openSpool(path: string): Spool {
  // Before the first look the file may hold entries of an earlier process.
  let waiting = true
  let file: FileHandle | null = null
  let turn: Promise<unknown> = Promise.resolve()
  let batch: { bytes: Uint8Array[]; done: Promise<void> } | null = null

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }
  const write = async (bytes: readonly Uint8Array[]): Promise<void> => {
    if (file === null) {
      const { whole } = frames(await contents(path))
      file = await open(path, 'a', 0o600)
      await file.truncate(whole)
      await syncFolder(dirname(path))
    }
    const { size } = await file.stat()
    try {
      await file.appendFile(Buffer.concat(bytes))
      await file.datasync()
    } catch (error) {
      await file.truncate(size).catch(() => undefined)
      throw error
    }
    waiting = true
  }
  const close = async (): Promise<void> => {
    await file?.close()
    file = null
  }
  return {
    append(entry) {
      if (batch === null) {
        const opened: { bytes: Uint8Array[]; done: Promise<void> } = { bytes: [], done: Promise.resolve() }
        opened.done = inTurn(() => {
          batch = null
          return write(opened.bytes)
        })
        batch = opened
      }
      batch.bytes.push(frame(entry))
      return batch.done
    },
    replay: (put) => inTurn(async () => {
      const { entries } = frames(await contents(path))
      await put(entries)
      await close()
      await rm(path, { force: true })
      waiting = false
      return entries.length
    }),
    waiting: () => waiting,
    close: () => inTurn(close)
  }
}

/** A new file's name is durable only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function contents(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array()
    throw error
  }
}

function frame({ id, sealed }: OutboxEntry): Uint8Array {
  const bytes = new Uint8Array(20 + sealed.length)
  new DataView(bytes.buffer).setUint32(0, sealed.length)
  bytes.set(id, 4)
  bytes.set(sealed, 20)
  return bytes
}

function frames(bytes: Uint8Array): { entries: readonly OutboxEntry[]; whole: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries: OutboxEntry[] = []
  let at = 0
  while (at + 20 <= bytes.length) {
    const end = at + 20 + view.getUint32(at)
    if (end > bytes.length) break
    entries.push({ id: bytes.slice(at + 4, at + 20) as Bytes, sealed: bytes.slice(at + 20, end) as Bytes })
    at = end
  }
  return { entries, whole: at }
}
