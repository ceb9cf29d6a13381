import { MongoBulkWriteError, MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb'
import { StoreBroken, StoreTooCostly, StoreUnavailable, StoreUnknown } from '../../ports.ts'

/** Errors that may leave the adapter. Texts are fixed: a driver's text could name a host, a user or a value. */
export type StoreError = StoreUnavailable | StoreUnknown | StoreBroken | StoreTooCostly

const CLASSES = [StoreUnavailable, StoreUnknown, StoreBroken, StoreTooCostly] as const

export const DUPLICATE_KEY = 11_000
const AUTHENTICATION = new Set([13, 18])

/** A violated contract of the port stays a TypeError; all else becomes an error of the port. */
export function toStoreError(error: unknown): StoreError | TypeError {
  for (const kind of CLASSES) {
    if (error instanceof kind) return error
  }
  if (!(error instanceof MongoError)) return error instanceof TypeError ? error : new StoreBroken('The store failed')
  const code = codeOf(error)
  if (code === DUPLICATE_KEY) return new StoreBroken('An id is there already')
  if (code !== null && AUTHENTICATION.has(code)) return new StoreUnavailable(`The database refuses this user (${code})`)
  return new StoreUnavailable(code === null ? 'The database does not answer' : `The database cannot do this now (${code})`)
}

export const codeOf = (error: unknown): number | null => error instanceof MongoError && typeof error.code === 'number' ? error.code : null

/** The transaction left nothing behind and may be run again. A key that was free a moment ago is one that another commit took. */
export function isTransient(error: unknown): boolean {
  return error instanceof MongoError && (error.hasErrorLabel('TransientTransactionError') || codeOf(error) === DUPLICATE_KEY || isBroken(error))
}

/**
 * A connection broke before the commit was sent. Of several that break with a server the driver labels the first only, and what it throws for a
 * bulk write is of another class, without a code and without a write that failed.
 */
const isBroken = (error: MongoError): boolean =>
  error instanceof MongoNetworkError || (error instanceof MongoBulkWriteError && codeOf(error) === null && [error.writeErrors].flat().length === 0)

/** The commit may or may not have been done: it is asked for again, which the database answers from what it knows. */
export function isUnknownCommit(error: unknown): boolean {
  if (!(error instanceof MongoServerError)) return error instanceof MongoError
  return error.hasErrorLabel('UnknownTransactionCommitResult')
}

/** No server to ask: trying again at once is in vain. */
export const isAway = (error: unknown): boolean => error instanceof MongoServerSelectionError

/** Nothing was wrong with a write, or with any of several, but that its id was there already. */
export function isOnlyDuplicate(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError)) return error instanceof MongoServerError && error.code === DUPLICATE_KEY
  const errors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  return errors.length > 0 && errors.every(({ code }) => code === DUPLICATE_KEY) && error.result.getWriteConcernError() === undefined
}

/** Runs the work; what the driver throws leaves as an error of the port. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toStoreError(error)
  }
}
