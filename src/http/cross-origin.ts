import type { FhirResponse } from '../model/interaction.ts'
import type { Exchange, HttpConfig, Step } from './exchange.ts'
import { isPublicPage } from './public-pages.ts'

const EXPOSED = 'ETag, Location, Content-Location, Last-Modified, X-Request-Id, X-Correlation-Id, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const REQUESTED = 'Authorization, Content-Type, Accept, If-Match, If-None-Match, If-None-Exist, If-Modified-Since, Prefer, X-Request-Id, X-Security-Context'
const MAX_AGE_SECONDS = 600

/**
 * CORS: discovery and metadata for any origin, everything else for the origins of CORS_ORIGINS, exact. Credentials mode is never allowed, since
 * tokens come in a header; so `*` is safe where it is given, and `null` is no origin that anyone can own.
 */
export function crossOrigin(config: HttpConfig): Step {
  const origins = new Set(config.corsOrigins)
  return (exchange) => {
    const { headers, method } = exchange.incoming
    const preflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
    if (headers.origin === undefined) return undefined
    const allowed = isPublicPage(exchange.path, config) ? '*' : origins.has(headers.origin) ? headers.origin : null
    if (allowed !== null) allow(exchange, allowed, preflight)
    return preflight ? noContent : undefined
  }
}

function allow({ headers }: Exchange, origin: string, preflight: boolean): void {
  headers['Access-Control-Allow-Origin'] = origin
  headers['Cross-Origin-Resource-Policy'] = 'cross-origin'
  if (!preflight) {
    headers['Access-Control-Expose-Headers'] = EXPOSED
    return
  }
  headers['Access-Control-Allow-Methods'] = METHODS
  headers['Access-Control-Allow-Headers'] = REQUESTED
  headers['Access-Control-Max-Age'] = String(MAX_AGE_SECONDS)
}

const noContent: FhirResponse = { status: 204, headers: {}, body: null }
