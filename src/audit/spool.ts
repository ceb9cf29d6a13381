/**
 * Where entries wait while the ledger's store does not take them: a local file of sealed entries, each as u32 length ‖ id 16 ‖ sealed,
 * synced before it is acknowledged. What a crash cut off was never acknowledged. Another process may take the file while this one, whose
 * lease ended in the outage, still writes: the file is renamed before it goes, and whoever wrote looks whether the name is still its own.
 */
import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bytes } from '../model/resource.ts'
import { type OutboxEntry, StoreUnavailable } from '../store/ports.ts'

export interface Spool {
  /** Durable when it resolves. */
  append(entry: OutboxEntry): Promise<void>
  /** Hands every waiting entry to `put`, some of them twice, and removes the files when all were taken; rejects, and keeps all, when one was not. */
  replay(put: Put): Promise<void>
  close(): Promise<void>
}

type Put = (entries: readonly OutboxEntry[]) => Promise<void>

const NAME = /^ledger-([a-z]{1,6}(?:-[1-9][0-9]{0,4})?)(?:\.[0-9a-f]{16})?\.spool$/

/** The slot whose entries a file of this name holds; null: it is no spool. */
export const slotOfSpool = (name: string): string | null => NAME.exec(name)?.[1] ?? null

/** `ledger-SLOT.spool` in this folder, and what is being taken out of it. */
export function openSpool(dir: string, slot: string): Spool {
  const path = join(dir, `ledger-${slot}.spool`)
  let file: FileHandle | null = null
  let turn: Promise<unknown> = Promise.resolve()
  let batch: { bytes: Uint8Array[]; done: Promise<void> } | null = null

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }
  const close = async (): Promise<void> => {
    await file?.close()
    file = null
  }
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      file ??= await openedAtEnd(path, dir)
      if (await isWritten(file, path, bytes)) return
      await close()
    }
    throw new StoreUnavailable('The spool was taken at each try')
  }
  return {
    append(entry) {
      if (batch === null) {
        const opened: { bytes: Uint8Array[]; done: Promise<void> } = { bytes: [], done: Promise.resolve() }
        opened.done = inTurn(() => {
          batch = null
          return write(Buffer.concat(opened.bytes))
        })
        batch = opened
      }
      batch.bytes.push(frame(entry))
      return batch.done
    },
    replay: (put) => inTurn(async () => {
      await close()
      for (const name of await readdir(dir)) if (slotOfSpool(name) === slot) await take(join(dir, name), path, put)
    }),
    close: () => inTurn(close)
  }
}

const TRIES_MAX = 3

async function openedAtEnd(path: string, dir: string): Promise<FileHandle> {
  const bytes = await contents(path)
  const { whole } = frames(bytes)
  const file = await open(path, 'a', 0o600)
  if (whole < bytes.length) await file.truncate(whole)
  await syncFolder(dir)
  return file
}

/** False: durable, but in a file that another process has taken, perhaps before these bytes were in it. */
async function isWritten(file: FileHandle, path: string, bytes: Uint8Array): Promise<boolean> {
  const { size, ino } = await file.stat()
  try {
    await file.appendFile(bytes)
    await file.datasync()
  } catch (error) {
    await file.truncate(size).catch(() => undefined)
    throw error
  }
  return await inodeOf(path) === ino
}

/** What stands in the file once nobody writes to it any more is what goes. Names of taken files are used once, so that nothing new is removed. */
async function take(file: string, path: string, put: Put): Promise<void> {
  const bytes = await contents(file)
  await put(frames(bytes).entries)
  if (file !== path) return rm(file, { force: true })
  const taken = path.replace(/spool$/, `${randomBytes(8).toString('hex')}.spool`)
  try {
    await rename(path, taken)
  } catch (error) {
    if (isAbsent(error)) return
    throw error
  }
  const last = await contents(taken)
  if (Buffer.compare(bytes, last) !== 0) await put(frames(last).entries)
  await rm(taken, { force: true })
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).ino
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

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
    if (isAbsent(error)) return new Uint8Array()
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
