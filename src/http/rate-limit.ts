import { ipKeyGenerator, MemoryStore } from 'express-rate-limit'
import { LRUCache } from 'lru-cache'
import { FhirError } from '../model/errors.ts'
import type { Exchange, SharedHits, Step } from './exchange.ts'

const WINDOW_MS = 60_000
const WINDOW_SECONDS = WINDOW_MS / 1000
/** A customer of a provider holds a whole /64, so that is one address. */
const IPV6_SUBNET_BITS = 64
const ADDRESS_KEYS_MAX = 10_000
/** Processes that share a limit overrun it by what they take in this time. */
const REPORT_MS = 100

export interface LimiterOptions {
  readonly name: string
  readonly limit: number
  readonly keyOf: (exchange: Exchange) => string | null
  /** Where several processes keep one limit. */
  readonly hits?: SharedHits
}

export interface Limiter {
  readonly step: Step
  close(): void
}

/**
 * Requests a minute under one key (null = not counted). The counters and the subnet rule are express-rate-limit's; its middleware is left
 * out because it costs several times more than counting, and the fields of draft-ietf-httpapi-ratelimit-headers-07 are two lines.
 */
export function openLimiter(options: LimiterOptions): Limiter {
  const { limit, keyOf } = options
  const store = new MemoryStore()
  store.init({ windowMs: WINDOW_MS } as Parameters<MemoryStore['init']>[0])
  const reports = options.hits === undefined ? null : openReports(options.name, options.hits, limit, store)
  const policy = `${limit};w=${WINDOW_SECONDS}`
  return {
    async step(exchange) {
      const key = keyOf(exchange)
      if (key === null) return undefined
      reports?.count(key)
      const { totalHits, resetTime } = await store.increment(key)
      const reset = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000))
      exchange.headers['RateLimit-Policy'] = policy
      exchange.headers['RateLimit'] = `limit=${limit}, remaining=${Math.max(0, limit - totalHits)}, reset=${reset}`
      if (totalHits > limit) throw tooMany(reset)
      return undefined
    },
    close() {
      reports?.close()
      store.shutdown()
    }
  }
}

/** Tells the other processes what was counted here, and counts what they tell. Beyond the limit nothing more need be known. */
function openReports(name: string, hits: SharedHits, limit: number, store: MemoryStore) {
  const own = new Map<string, number>()
  hits.heard(name, (others) => {
    for (const [key, count] of others) for (let i = 0; i < Math.min(count, limit + 1); i++) void store.increment(key)
  })
  const timer = setInterval(() => {
    if (own.size === 0) return
    hits.report(name, own)
    own.clear()
  }, REPORT_MS)
  timer.unref()
  return {
    count: (key: string) => void own.set(key, (own.get(key) ?? 0) + 1),
    close: () => clearInterval(timer)
  }
}

/** IPv4 as it is, IPv6 as its /64. Remembered, since parsing an IPv6 address costs tens of microseconds. */
export function addressKeys(): (exchange: Exchange) => string {
  const known = new LRUCache<string, string>({ max: ADDRESS_KEYS_MAX })
  return ({ address }) => {
    const found = known.get(address)
    if (found !== undefined) return found
    const key = ipKeyGenerator(address, IPV6_SUBNET_BITS)
    known.set(address, key)
    return key
  }
}

/** All tokens of a client count together. */
export const clientKey = ({ caller }: Exchange): string | null => caller === null ? null : `${caller.issuer} ${caller.client}`

const tooMany = (seconds: number): FhirError =>
  new FhirError(429, [{ severity: 'error', code: 'throttled', diagnostics: 'Too many requests (RATE_LIMIT)' }], { headers: { 'Retry-After': String(seconds) } })
