/**
 * What this process keeps of things that another may change: keys, panels, policies, issuers. All of it is asked for again every second;
 * what was not confirmed within two seconds is not trusted.
 */
import { readFile, stat } from 'node:fs/promises'
import { StoreUnavailable } from './store/ports.ts'

export interface News {
  /** To be awaited before anything kept is used. At once where all was heard in the last two seconds; StoreUnavailable where it cannot be. */
  fresh(): void | Promise<void>
  close(): void
}

export interface NewsOptions {
  /** Each asks after one thing; a rejection means that it was not heard. */
  readonly sources: readonly (() => Promise<void>)[]
  /** Told of the first failure after a success. */
  readonly failed: (error: unknown) => void
  /** A clock that nobody sets, in ms. */
  readonly clock?: () => number
  readonly everyMs?: number
  readonly ageMsMax?: number
}

const EVERY_MS = 1000
const AGE_MS_MAX = 2000

/** Resolves when all sources were heard once; rejects with what kept one from it. */
export async function openNews(options: NewsOptions): Promise<News> {
  const { sources, failed, clock = () => performance.now(), everyMs = EVERY_MS, ageMsMax = AGE_MS_MAX } = options
  // What was asked for after this moment is known.
  let heard = Number.NEGATIVE_INFINITY
  let silent = false
  let running: Promise<void> | null = null

  const ask = async (): Promise<void> => {
    const at = clock()
    await Promise.all(sources.map((source) => source()))
    heard = at
    silent = false
  }
  const hear = (): Promise<void> => {
    running ??= ask().finally(() => { running = null })
    return running
  }
  const noted = (error: unknown): void => {
    if (!silent) failed(error)
    silent = true
  }
  const isFresh = (): boolean => clock() - heard < ageMsMax
  const late = async (): Promise<void> => {
    try {
      await hear()
    } catch (cause) {
      noted(cause)
    }
    if (!isFresh()) throw new StoreUnavailable('What other processes changed cannot be heard')
  }
  await hear()
  const timer = setInterval(() => void hear().catch(noted), everyMs)
  timer.unref()
  return { fresh: () => (isFresh() ? undefined : late()), close: () => clearInterval(timer) }
}

/** A settings file that cannot be read, or does not say what it must. */
export class FileRefused extends Error {}

/** Gives the file's text to `take` at first and whenever it has changed. Text that `take` refuses is not heard: asked for again until it is mended. */
export function fileSource(path: string, take: (text: string) => void): () => Promise<void> {
  let known: string | null = null
  return async () => {
    try {
      const { mtimeMs, ctimeMs, size, ino } = await stat(path)
      const state = [mtimeMs, ctimeMs, size, ino].join(' ')
      if (state === known) return
      take(await readFile(path, 'utf8'))
      known = state
    } catch (cause) {
      known = null
      throw new FileRefused(cause instanceof Error && cause.name === 'Error' && !('code' in cause) ? cause.message : `A settings file cannot be read: ${path}`, { cause })
    }
  }
}
