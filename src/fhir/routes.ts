import { fault, FhirError, notFound } from '../model/errors.ts'
import type { Interaction } from '../model/interaction.ts'
import { ID_PATTERN, type Ref } from '../model/resource.ts'
import { isCompartment } from '../search/compartment-search.ts'
import { decodePercent } from './query-string.ts'

/** RESTful API of R4 (https://hl7.org/fhir/R4/http.html): path shape, method, interaction. HEAD goes where GET goes. */
export const routes: readonly (readonly [shape: Shape, method: string, interaction: Interaction])[] = [
  ['',                 'POST',   'batch'],
  ['',                 'GET',    'search-system'],
  ['/_search',         'POST',   'search-system'],
  ['/_history',        'GET',    'history-system'],
  ['/metadata',        'GET',    'capabilities'],
  ['/T',               'GET',    'search-type'],
  ['/T',               'POST',   'create'],
  ['/T',               'PUT',    'update'],
  ['/T',               'DELETE', 'delete'],
  ['/T',               'PATCH',  'patch'],
  ['/T/_search',       'POST',   'search-type'],
  ['/T/_history',      'GET',    'history-type'],
  ['/T/id',            'GET',    'read'],
  ['/T/id',            'PUT',    'update'],
  ['/T/id',            'DELETE', 'delete'],
  ['/T/id',            'PATCH',  'patch'],
  ['/T/id/T',          'GET',    'search-type'],
  ['/T/id/T/_search',  'POST',   'search-type'],
  ['/T/id/*',          'GET',    'search-system'],
  ['/T/id/*/_search',  'POST',   'search-system'],
  ['/T/id/_history',   'GET',    'history-instance'],
  ['/T/id/_history/v', 'GET',    'vread']
]

type Shape = '' | '/$system' | '/_search' | '/_history' | '/metadata' | '/T' | '/T/$type' | '/T/_search' | '/T/_history'
  | '/T/id' | '/T/id/$instance' | '/T/id/T' | '/T/id/T/_search' | '/T/id/*' | '/T/id/*/_search' | '/T/id/_history' | '/T/id/_history/v'

export const interactionsDefault: ReadonlySet<Interaction> = new Set<Interaction>(
  ['batch', 'capabilities', 'search-type', 'search-system', 'create', 'update', 'patch', 'delete', 'read', 'history-instance', 'history-type', 'history-system', 'vread'])

/** Which interaction a request asks for, and of what. */
export interface Route {
  readonly interaction: Interaction
  readonly type: string | null
  readonly id: string | null
  readonly version: string | null
  readonly compartment?: Ref
  /** Name of the operation without `$`, for the interaction `operation`. */
  readonly operation: string | null
}

/** What the router knows of an operation (operations/operation.ts). */
export interface OperationRoute {
  readonly code: string
  readonly levels: readonly ('system' | 'type' | 'instance')[]
  readonly resourceTypes: readonly string[] | null
  readonly affectsState: boolean
}

export interface Router {
  /**
   * `path`: what follows the FHIR base, as sent. Throws FhirError 404 (no such place, unknown type, malformed id), 405 or 400 (bad
   * percent-encoding). A batch and a transaction are both `batch`: the type of the Bundle tells them apart.
   */
  route(method: string, path: string): Route
}

export function openRouter(options: { readonly types: ReadonlySet<string>; readonly interactions: ReadonlySet<Interaction>; readonly operations?: readonly OperationRoute[] }): Router {
  const methods = new Map<Shape, Map<string, Interaction>>()
  for (const [shape, method, interaction] of routes) {
    if (!options.interactions.has(interaction)) continue
    const found = methods.get(shape) ?? new Map<string, Interaction>()
    methods.set(shape, found.set(method, interaction))
  }
  return {
    route(method, path) {
      const place = placeOf(path, options.types)
      const allowed = place.operation === null ? methods.get(place.shape) : operationMethods(options.operations ?? [], place)
      if (allowed === undefined) throw noPlace()
      const interaction = allowed.get(method === 'HEAD' ? 'GET' : method)
      if (interaction === undefined) throw notAllowed([...allowed.keys()])
      const { shape: _shape, ...named } = place
      return { interaction, ...named }
    }
  }
}

const levels: Readonly<Partial<Record<Shape, OperationRoute['levels'][number]>>> = { '/$system': 'system', '/T/$type': 'type', '/T/id/$instance': 'instance' }

/** GET only where nothing changes (https://hl7.org/fhir/R4/operations.html#executing). Undefined: no such operation there. */
function operationMethods(operations: readonly OperationRoute[], { operation, type, shape }: Place): Map<string, Interaction> | undefined {
  const found = operations.find(({ code, resourceTypes }) => code === operation && (type === null || (resourceTypes?.includes(type) ?? true)))
  if (found === undefined || !found.levels.includes(levels[shape]!)) return undefined
  return new Map((found.affectsState ? ['POST'] : ['GET', 'POST']).map((method) => [method, 'operation']))
}

type Place = Omit<Route, 'interaction'> & { readonly shape: Shape }

const systemPlaces: Readonly<Record<string, Shape>> = { metadata: '/metadata', _history: '/_history', _search: '/_search' }

function placeOf(path: string, types: ReadonlySet<string>): Place {
  if (path === '' || path === '/') return { ...NOWHERE, shape: '' }
  const [, type = '', second, third, fourth, fifth] = path.split('/', 6).map(segment)
  if (second === undefined && Object.hasOwn(systemPlaces, type)) return { ...NOWHERE, shape: systemPlaces[type] ?? '' }
  if (second === undefined && type.startsWith('$')) return { ...NOWHERE, shape: '/$system', operation: type.slice(1) }
  if (!types.has(type)) throw fault(404, 'not-supported', 'No such resource type')
  if (fifth !== undefined) throw noPlace()
  if (second === undefined) return { ...NOWHERE, shape: '/T', type }
  if (second === '_search' || second === '_history' || second.startsWith('$')) {
    if (third !== undefined) throw noPlace()
    return second.startsWith('$') ? { ...NOWHERE, shape: '/T/$type', type, operation: second.slice(1) } : { ...NOWHERE, shape: `/T/${second as '_search'}`, type }
  }
  if (second.startsWith('_')) throw noPlace()
  const id = idOf(second)
  if (third === undefined) return { ...NOWHERE, shape: '/T/id', type, id }
  if (third.startsWith('$') && fourth === undefined) return { ...NOWHERE, shape: '/T/id/$instance', type, id, operation: third.slice(1) }
  if (isCompartment(type) && third === '_search' && fourth === undefined) return inCompartmentOf({ type, id }, '*', '_search')
  if (isCompartment(type) && (third === '*' || types.has(third))) return inCompartmentOf({ type, id }, third, fourth)
  if (third !== '_history') throw noPlace()
  return fourth === undefined ? { ...NOWHERE, shape: '/T/id/_history', type, id } : { ...NOWHERE, shape: '/T/id/_history/v', type, id, version: idOf(fourth) }
}

/** `Patient/1/Observation` and `Patient/1/*`; by POST `Patient/1/_search` too. */
function inCompartmentOf(compartment: Ref, type: string, more: string | undefined): Place {
  if (more !== undefined && more !== '_search') throw noPlace()
  const shape = `/T/id/${type === '*' ? '*' : 'T'}${more === undefined ? '' : '/_search'}` as const
  return { ...NOWHERE, shape, type: type === '*' ? null : type, compartment }
}

const NOWHERE = { type: null, id: null, version: null, operation: null } as const

const segment = (text: string): string => text.includes('%') ? decodePercent(text) : text

/** A malformed id names nothing, like an absent one. `.` and `..` fit the pattern but are path segments. */
function idOf(text: string): string {
  if (!ID_PATTERN.test(text) || text === '.' || text === '..') throw notFound()
  return text
}

const noPlace = (): FhirError => fault(404, 'not-supported', 'No such interaction')

function notAllowed(methods: readonly string[]): FhirError {
  const allow = methods.flatMap((method) => method === 'GET' ? ['GET', 'HEAD'] : [method]).join(', ')
  return new FhirError(405, [{ severity: 'error', code: 'not-supported', diagnostics: 'This method is not supported here' }], { headers: { Allow: allow } })
}
