import { createHash } from 'node:crypto'
import { fault, FhirError } from '../model/errors.ts'
import type { FhirResponse } from '../model/interaction.ts'
import { xmlOfReply } from '../fhir/xml/reply-xml.ts'
import { negotiate } from './negotiate.ts'
import { parsePairs } from '../fhir/query-string.ts'
import type { Exchange, HttpConfig, ServerOptions, Step } from './exchange.ts'

/** Liveness: 200 while the process answers at all. It stands before every limit. */
export const health: Step = (exchange) => exchange.path === '/health' ? page(exchange, 200, '{"status":"alive"}') : undefined

/** Readiness: store, keys and ledger are usable, and the process is not about to stop. */
export function readiness(options: Pick<ServerOptions, 'ready' | 'config'> & { readonly draining: () => boolean }): Step {
  return (exchange) => {
    if (exchange.path !== '/ready') return undefined
    return isReady().then((ready) => page(exchange, ready ? 200 : 503, ready ? '{"status":"ready"}' : '{"status":"unavailable"}'))
  }

  async function isReady(): Promise<boolean> {
    if (options.draining()) return false
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => { timer = setTimeout(() => resolve(false), options.config.timeouts.readyMs).unref() })
    return Promise.race([options.ready().then(() => true, () => false), late]).finally(() => clearTimeout(timer))
  }
}

/** `metadata`, `openapi.json` and `/.well-known/*`, at the FHIR base and (the last) at the root: without a token, for any origin. */
export function discovery(options: Pick<ServerOptions, 'metadata' | 'openApi' | 'wellKnown' | 'config'>): Step {
  const pages = new Map(Object.entries(options.wellKnown ?? {}))
  const base = basePath(options.config)
  const inXml = new Map<boolean, string>()
  return (exchange) => {
    const { path, incoming: { method } } = exchange
    if (path === `${base}/metadata` && (method === 'GET' || method === 'HEAD')) return metadata(exchange)
    if (path === base + OPEN_API && options.openApi !== undefined) return openApiPage(exchange, options.openApi())
    const name = wellKnownName(path, base)
    if (name === null) return undefined
    const found = pages.get(name)
    if (found === undefined) throw fault(404, 'not-found', 'No such page')
    return page(exchange, 200, found())
  }

  function metadata(exchange: Exchange): FhirResponse {
    exchange.route = { interaction: 'capabilities', type: null, id: null, version: null, operation: null }
    exchange.params = parsePairs(exchange.query, options.config.bounds.paramsMax)
    void negotiate(exchange)
    if (exchange.format.syntax === 'xml') exchange.laidOut = statementInXml(exchange.pretty)
    return { status: 200, headers: {}, body: options.metadata() }
  }

  /** Laid out once: a stranger may ask for it as often as the limit lets him. */
  function statementInXml(isPretty: boolean): string {
    const known = inXml.get(isPretty) ?? xmlOfReply(options.metadata(), isPretty)
    inXml.set(isPretty, known)
    return known
  }
}

/** Path of the FHIR base: that of BASE_URL and `/fhir/R4`. The Host header has no say in it. */
export const basePath = (config: HttpConfig): string => new URL(config.fhirBase).pathname

export function isPublicPage(path: string, config: HttpConfig): boolean {
  const base = basePath(config)
  return path === `${base}/metadata` || path === base + OPEN_API || wellKnownName(path, base) !== null
}

const OPEN_API = '/openapi.json'
const tags = new WeakMap<Uint8Array, string>()

/** The document changes with the release only: clients keep it and ask whether it is still the same. */
function openApiPage(exchange: Exchange, document: Uint8Array): FhirResponse {
  const tag = tags.get(document) ?? `"${createHash('sha256').update(document).digest('base64url')}"`
  tags.set(document, tag)
  const { headers, ...shown } = page(exchange, 200, document)
  const known = exchange.incoming.headers['if-none-match']?.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === tag) === true
  return { ...(known ? { status: 304, body: null } : shown), headers: { ...headers, ETag: tag, 'Cache-Control': 'no-cache' } }
}

const WELL_KNOWN = '/.well-known/'

function wellKnownName(path: string, base: string): string | null {
  if (path.startsWith(WELL_KNOWN)) return path.slice(WELL_KNOWN.length)
  return path.startsWith(base) && path.startsWith(WELL_KNOWN, base.length) ? path.slice(base.length + WELL_KNOWN.length) : null
}

function page(exchange: Exchange, status: number, body: Uint8Array | string): FhirResponse {
  const { method } = exchange.incoming
  if (method !== 'GET' && method !== 'HEAD')
    throw new FhirError(405, [{ severity: 'error', code: 'not-supported', diagnostics: 'This method is not supported here' }], { headers: { Allow: 'GET, HEAD' } })
  return { status, headers: { 'Content-Type': 'application/json' }, body }
}
