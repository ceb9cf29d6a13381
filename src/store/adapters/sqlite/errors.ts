import { StoreBroken, StoreTooCostly, StoreUnavailable, StoreUnknown } from '../../ports.ts'

/** Errors that may leave the adapter. Texts are fixed: a driver's text could name a path, a table or a value. */
export type StoreError = StoreUnavailable | StoreUnknown | StoreBroken | StoreTooCostly

const CLASSES = { StoreUnavailable, StoreUnknown, StoreBroken, StoreTooCostly } as const

/** An error as it crosses from the writer thread. */
export interface ErrorMessage { readonly name: keyof typeof CLASSES | 'TypeError'; readonly text: string }

// Primary result codes, https://sqlite.org/rescode.html
const BUSY = 5
const LOCKED = 6
const NOMEM = 7
const READONLY = 8
const INTERRUPT = 9
const FULL = 13
const CANTOPEN = 14
const RETRYABLE: ReadonlySet<number> = new Set([BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, FULL, CANTOPEN])

/** Of the file system. */
const FILE_FAULTS: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENOTDIR', 'EISDIR', 'ENOENT'])

/** A violated contract of the port (a key twice, a term list out of order) stays a TypeError; all else becomes an error of the port. */
export function toStoreError(error: unknown): StoreError | TypeError {
  if (error instanceof TypeError && errcodeOf(error) === null && !('code' in error)) return error
  for (const kind of Object.values(CLASSES)) {
    if (error instanceof kind) return error
  }
  const code = errcodeOf(error)
  if (code !== null && RETRYABLE.has(code & 0xff)) return new StoreUnavailable(`The store cannot do this now (${code})`)
  if (code !== null) return new StoreBroken(`The store is damaged (${code})`)
  const reason = error instanceof Error && 'code' in error && FILE_FAULTS.has(error.code) ? ` (${String(error.code)}): the files under DATA_DIR cannot be made or written` : ''
  return new StoreBroken(`The store failed${reason}`)
}

/** Is it worth running the rest of a group after this error? A lock that was waited for in vain will not open for the next. */
export function isBusy(error: unknown): boolean {
  const code = errcodeOf(error)
  return code !== null && ((code & 0xff) === BUSY || (code & 0xff) === LOCKED)
}

/** Disk full: SQLite has undone the transaction and nothing was synced, so the file is still sound. */
export function isFull(error: unknown): boolean {
  const code = errcodeOf(error)
  return code !== null && (code & 0xff) === FULL
}

export function toMessage(error: unknown): ErrorMessage {
  const known = toStoreError(error)
  const name = (Object.keys(CLASSES) as (keyof typeof CLASSES)[]).find((key) => known instanceof CLASSES[key])
  return { name: name ?? 'TypeError', text: known.message }
}

export function fromMessage(message: ErrorMessage): StoreError | TypeError {
  return message.name === 'TypeError' ? new TypeError(message.text) : new CLASSES[message.name](message.text)
}

function errcodeOf(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null
}
