import { pino } from 'pino'

/** What a process may write about a request: never a value, a header, a URL, or anything else that was sent. */
export interface Log {
  /** One line per request. */
  request(entry: RequestEntry): void
  /** An error by its classes and by the places in our own code; its message may hold values and stays out. */
  fault(id: string, error: unknown): void
  /** Something about the process itself, in fixed words. */
  note(level: 'info' | 'warn' | 'error', text: string): void
  flush(): void
}

export interface RequestEntry {
  readonly interaction: string
  /** A known resource type, or null. */
  readonly type: string | null
  readonly status: number
  readonly ms: number
  /** Our own request id. */
  readonly id: string
}

export interface LogOptions {
  readonly level: string
  /** Where lines go; default stdout, buffered. */
  readonly destination?: { write(line: string): void }
  /** Other processes write to the same stdout. */
  readonly shared?: boolean
}

/** A write to the file system costs as much as the lines of a dozen requests. */
const BUFFER = { minLength: 12_288 }
/** Of several processes at one pipe, writes of at most 4,096 bytes, in whole lines, do not mix (PIPE_BUF). */
const SHARED_BUFFER = { minLength: 3_072, maxWrite: 4_096 }
const FLUSH_MS = 1_000

export function openLog(options: LogOptions): Log {
  const buffered = options.destination === undefined ? pino.destination({ dest: 1, sync: false, ...(options.shared === true ? SHARED_BUFFER : BUFFER), periodicFlush: FLUSH_MS }) : undefined
  const logger = pino({ level: options.level, base: null, messageKey: 'text' }, options.destination ?? buffered)
  return {
    request: ({ interaction, type, status, ms, id }) => logger.info({ interaction, type, status, ms: Math.round(ms * 100) / 100, id }),
    fault: (id, error) => logger.error({ id, error: classesOf(error), at: placesOf(error) }),
    note: (level, text) => logger[level](text),
    flush: () => buffered?.flushSync()
  }
}

const CAUSES_MAX = 5
const PLACES_MAX = 12

/** Class names of the error and of its causes. `name` is data and could be set to anything; a constructor is code. */
function classesOf(error: unknown): readonly string[] {
  const classes: string[] = []
  for (let cause = error; cause !== undefined && classes.length < CAUSES_MAX; cause = cause instanceof Error ? cause.cause : undefined)
    classes.push(typeof cause === 'object' && cause !== null ? Object.getPrototypeOf(cause)?.constructor?.name ?? 'object' : typeof cause)
  return classes
}

/** `src/x.ts:1:2` of each frame. The head of a stack repeats the message, which may have lines that look like frames: it is cut off by count. */
function placesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return []
  const frames = error.stack.split('\n').slice(String(error.message).split('\n').length)
  return frames.flatMap((frame) => /^ {4}at .*?((?:src|node_modules)\/[\w@./-]+:\d+:\d+)\)?$/.exec(frame)?.[1] ?? []).slice(0, PLACES_MAX)
}
