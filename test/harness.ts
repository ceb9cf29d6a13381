/** A whole server for tests: in this process, on a free port, with a store and keys of its own, and sign-in by minted tokens. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../src/config.ts'
import { type Running, startServing } from '../src/serve.ts'
import { dropStore, newStore } from './stores.ts'
import { freePort } from './free-port.ts'

export interface Claims {
  readonly scope: string
  readonly patient?: string
  readonly fhirUser?: string
  readonly roles?: readonly string[]
  readonly purposes?: readonly string[]
  readonly subject?: string
  readonly client?: string
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Parsed body; null where there is none. */
  readonly json: Json
}

/** Test-side JSON: paths are asserted, not typed. */
export type Json = ReturnType<typeof JSON.parse>

export interface Harness {
  readonly base: string
  readonly dir: string
  readonly running: Running
  token(claims: Claims): Promise<string>
  /** `path` follows the FHIR base. A body that is no string is sent as JSON. */
  ask(token: string | null, method: string, path: string, options?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }): Promise<Reply>
  /** POSTs a resource as the system and gives back what is stored. */
  put(resource: object): Promise<Json>
  close(): Promise<void>
}

export const SYSTEM: Claims = { scope: 'system/*.cruds' }

export async function startHarness(settings: Readonly<Record<string, string>> = {}): Promise<Harness> {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-test-'))
  const port = await freePort()
  const store = settings.STORE_URL === undefined ? newStore() : {}
  const config = loadConfig({ DATA_DIR: dir, PORT: String(port), LOG_LEVEL: 'silent', RATE_LIMIT: '1000000', ...store, ...settings })
  const running = await startServing(config)
  const { system } = running
  const token = (claims: Claims): Promise<string> => system.tokens.mint({
    scope: claims.scope, patient: claims.patient ?? null, fhirUser: claims.fhirUser ?? null, roles: claims.roles ?? [], purposes: claims.purposes ?? [],
    client: claims.client ?? 'test', subject: claims.subject ?? claims.fhirUser ?? claims.patient ?? 'tester', expires: Date.now() + 3_600_000
  })
  let systemToken: string | null = null
  const self: Harness = {
    base: config.fhirBase, dir, running, token,
    async ask(bearer, method, path, { body, headers = {} } = {}) {
      const response = await fetch(`${config.fhirBase}${path === '' || path.startsWith('/') ? path : `/${path}`}`, {
        method, redirect: 'manual',
        headers: { ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }), ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) })
      })
      const text = await response.text()
      const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== ''
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
    },
    async put(resource) {
      systemToken ??= await token(SYSTEM)
      const { resourceType, id } = resource as { resourceType: string; id?: string }
      const reply = await self.ask(systemToken, id === undefined ? 'POST' : 'PUT', id === undefined ? resourceType : `${resourceType}/${id}`, { body: resource })
      if (reply.status !== 201 && reply.status !== 200) throw new Error(`${resourceType} was not stored: ${reply.status} ${reply.text}`)
      return reply.json
    },
    async close() {
      await running.close()
      await dropStore(store)
      rmSync(dir, { recursive: true, force: true })
    }
  }
  return self
}

/** Ids of the matches of a searchset, sorted. */
export const idsOf = (bundle: Json): readonly string[] => (bundle.entry ?? []).map((entry: Json) => `${entry.resource.resourceType}/${entry.resource.id}`).sort()
