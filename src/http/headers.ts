import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'
import type { HttpConfig } from './exchange.ts'

/**
 * The headers of every answer, names and values in turn, made once: helmet's, with a policy under which nothing that we answer can run, load or be framed
 * (threats 18, 19 and 33). Narrative in a resource is data, also where a browser opens it.
 */
export function fixedHeaders(config: HttpConfig): readonly string[] {
  const secure = config.fhirBase.startsWith('https:')
  const set = collect(helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], sandbox: [] } },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: secure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    xFrameOptions: { action: 'deny' }
  }))
  return Object.entries({ ...set, 'Cache-Control': 'no-store', Vary: config.corsOrigins.length === 0 ? 'Authorization, Accept' : 'Authorization, Accept, Origin' }).flat()
}

type Middleware = (incoming: IncomingMessage, outgoing: ServerResponse, next: (error?: unknown) => void) => void

/** Runs a middleware that only sets headers, once, against a stand-in. */
function collect(middleware: Middleware): Record<string, string> {
  const headers: Record<string, string> = {}
  const outgoing = { setHeader: (name: string, value: string) => { headers[name] = value }, removeHeader: () => undefined }
  middleware({} as IncomingMessage, outgoing as unknown as ServerResponse, (error) => { if (error !== undefined) throw error })
  return headers
}
