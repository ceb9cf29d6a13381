import type { Caller } from '../model/caller.ts'
import { fault, FhirError } from '../model/errors.ts'
import { type FhirRequest, type FhirResponse, type Interaction, queryText } from '../model/interaction.ts'
import type { Definitions } from './definitions.ts'
import type { Router } from './routes.ts'
import type { SortPlace } from '../search/sort.ts'
import type { GuardedStore, Position, Right } from '../store/ports.ts'

/** Bounds of the FHIR layer, each a named setting of config.ts. */
export interface Bounds {
  readonly countMax: number
  readonly countDefault: number
  readonly orValuesMax: number
  readonly filterTestsMax: number
  readonly filterDepthMax: number
  readonly textCharsMax: number
  readonly matchWorkMax: number
  readonly chainSearchesMax: number
  readonly jsonDepthMax: number
  readonly scanRecordsMax: number
  readonly chainDepthMax: number
  readonly chainMatchesMax: number
  readonly sortRecordsMax: number
  readonly includesMax: number
  readonly includedRecordsMax: number
  /** Concepts that one request may look at for value sets. */
  readonly expansionCodesMax: number
  /** Codes that value sets and hierarchies may bring into one search. */
  readonly expansionValuesMax: number
}

/** What every interaction may know of the server. */
export interface Site {
  /** FHIR base URL without a trailing slash. */
  readonly base: string
  readonly bounds: Bounds
  readonly definitions: Definitions
  readonly router: Router
  readonly paramsMax: number
  /** ms since 1970, fixed for one attempt. */
  readonly now: number
  readonly newId: () => string
  /** Page links: sealed values that only this server can make and read. */
  readonly links: { seal(value: PageLink): string; open(text: string): PageLink | undefined }
}

/** What a page link carries; opened by another caller, under another policy or after an hour it is a 404. */
export interface PageLink {
  readonly path: string
  readonly params: readonly (readonly [string, string])[]
  readonly position: { readonly updated: number; readonly key: string } | SortPlace
  /** The page ends before the position, and does not start behind it. */
  readonly back?: boolean
  readonly caller: string
  readonly fingerprint: string
  readonly expires: number
}

/** One FHIR interaction under way. */
export interface Exchange {
  readonly request: FhirRequest
  readonly caller: Caller
  readonly guarded: GuardedStore
  readonly site: Site
}

export type Run = (exchange: Exchange) => Promise<FhirResponse>

/** An interaction is declared once: routing, permission, CapabilityStatement and audit follow from this. */
export interface InteractionDefinition {
  readonly code: Interaction
  readonly right: Right | null
  readonly run: Run
}

/** Refuses parameters that this interaction does not know, by name, unless handling is lenient; and any that is given twice. */
export function allowParams(request: FhirRequest, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const [name] of request.params) {
    if (names.includes(name) ? seen.has(name) : !lenient(request)) {
      const shown = /^[\w.:$[\]-]{1,64}$/.test(name) ? `The parameter ${name}` : 'A parameter'
      throw fault(400, 'not-supported', `${shown} is ${seen.has(name) ? 'given twice' : 'unknown here'}; this interaction knows ${names.join(', ')}`)
    }
    seen.add(name)
  }
}

/** `Prefer: return=…` (https://hl7.org/fhir/R4/http.html#ops). */
export function preferred(request: FhirRequest): 'minimal' | 'representation' | 'OperationOutcome' | null {
  const wish = /(?:^|[;,\s])return=(minimal|representation|OperationOutcome)(?:$|[;,\s])/.exec(request.headers.prefer ?? '')
  return wish === null ? null : (wish[1] as 'minimal' | 'representation' | 'OperationOutcome')
}

export const lenient = (request: FhirRequest): boolean => /(?:^|[;,\s])handling=lenient(?:$|[;,\s])/.test(request.headers.prefer ?? '')

/** The version that an `If-Match: W/"3"` names; null where the header is absent. */
export function ifMatchVersion(request: FhirRequest): number | null {
  const text = request.headers.ifMatch
  if (text === undefined) return null
  const match = /^(?:W\/)?"([1-9][0-9]{0,14})"$/.exec(text.trim())
  if (match === null) throw fault(400, 'value', 'If-Match is not a weak ETag of this server, such as W/"1"')
  return Number(match[1])
}

/** Whether scope and role give the right on any row of a type. */
export function allows(guarded: GuardedStore, type: string, right: Right = 's'): boolean {
  try {
    guarded.require(type, right)
    return true
  } catch (error) {
    if (error instanceof FhirError && error.status === 403) return false
    throw error
  }
}

/** Who a page link belongs to. */
export const callerKey = (caller: Caller): string => JSON.stringify([caller.issuer, caller.subject, caller.client, caller.patient])

export const pageLifetimeMs = 3_600_000

/** A link of an answer. It asks for the representation that this answer was asked for in. */
export function linkTo({ request: { layout = '' }, site: { base } }: { readonly request: Pick<FhirRequest, 'layout'>; readonly site: Pick<Site, 'base'> }, path: string, query: string): string {
  const asked = [query, layout].filter((text) => text !== '').join('&')
  return `${path === '' ? base : `${base}/${path}`}${asked === '' ? '' : `?${asked}`}`
}

/** Of a page that a link led to, that link; else what was used of the request (https://hl7.org/fhir/R4/search.html#conformance). */
export function selfLink({ request, site }: Pick<Exchange, 'request' | 'site'>, path: string, used: PageLink['params']): string {
  const page = request.params.find(([name]) => name === '_page')
  return page === undefined ? linkTo({ request: {}, site }, path, queryText(used)) : linkTo({ request, site }, path, queryText([page]))
}

/** Where a page starts or ends: by time, or by what it is sorted by. */
export type Place = Position | SortPlace

const noPage = (): Error => fault(404, 'not-found', 'No such page')

export function pageToken(exchange: Exchange, path: string, params: PageLink['params'], place: Place, back = false): string {
  const { site, caller, guarded } = exchange
  return site.links.seal({
    path, params, position: 'key' in place ? { updated: place.updated, key: Buffer.from(place.key).toString('base64url') } : place, back,
    caller: callerKey(caller), fingerprint: guarded.fingerprint, expires: site.now + pageLifetimeMs
  })
}

/** A page link of what is always in order of time. */
export function openPosition(exchange: Exchange, token: string, path: string): { readonly params: PageLink['params']; readonly after: Position } {
  const { params, after } = openPage(exchange, token, path)
  if (!('key' in after)) throw noPage()
  return { params, after }
}

/** The query and position of a page link, or the 404 of a link that is not this caller's. */
export function openPage(exchange: Exchange, token: string, path: string): { readonly params: PageLink['params']; readonly after: Place; readonly back: boolean } {
  const { site, caller, guarded } = exchange
  const link = site.links.open(token)
  if (link === undefined || link.path !== path || link.caller !== callerKey(caller) || link.fingerprint !== guarded.fingerprint || link.expires <= site.now) {
    throw noPage()
  }
  const { position, back = false } = link
  return { params: link.params, back, after: 'key' in position ? { updated: position.updated, key: Uint8Array.from(Buffer.from(position.key, 'base64url')) } : position }
}
