import { ipKeyGenerator, MemoryStore } from 'express-rate-limit'
import { LRUCache } from 'lru-cache'
import { FhirError } from '../model/errors.ts'
import type { Exchange, Step } from './exchange.ts'

const WINDOW_MS = 60_000
const WINDOW_SECONDS = WINDOW_MS / 1000
/** A customer of a provider holds a whole /64, so that is one address. */
const IPV6_SUBNET_BITS = 64
const ADDRESS_KEYS_MAX = 10_000

export interface Limiter {
  readonly step: Step
  close(): void
}

/**
 * Requests a minute under one key (null = not counted). The counters and the subnet rule are express-rate-limit's; its middleware is left
 * out because it costs several times more than counting, and the fields of draft-ietf-httpapi-ratelimit-headers-07 are two lines.
 */
export function openLimiter(options: { readonly limit: number; readonly keyOf: (exchange: Exchange) => string | null }): Limiter {
  const { limit, keyOf } = options
  const store = new MemoryStore()
  store.init({ windowMs: WINDOW_MS } as Parameters<MemoryStore['init']>[0])
  const policy = `${limit};w=${WINDOW_SECONDS}`
  return {
    async step(exchange) {
      const key = keyOf(exchange)
      if (key === null) return undefined
      const { totalHits, resetTime } = await store.increment(key)
      const reset = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000))
      exchange.headers['RateLimit-Policy'] = policy
      exchange.headers['RateLimit'] = `limit=${limit}, remaining=${Math.max(0, limit - totalHits)}, reset=${reset}`
      if (totalHits > limit) throw tooMany(reset)
      return undefined
    },
    close: () => store.shutdown()
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
