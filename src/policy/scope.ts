import { isResourceType } from '../search/classification.ts'
import type { Right } from '../store/ports.ts'

/** create · read (vread, instance history) · update (patch) · delete · search (type and system history). */
export type { Right } from '../store/ports.ts'
export type ScopeContext = 'patient' | 'user' | 'system'
export const RIGHTS: readonly Right[] = ['c', 'r', 'u', 'd', 's']

export interface Scope {
  readonly context: ScopeContext
  /** A resource type, or `*`. */
  readonly type: string
  readonly rights: readonly Right[]
  /** FHIR search criteria without `?`, as written in the scope; null = unconstrained. */
  readonly constraint: string | null
}

/**
 * SMART App Launch 2.2 scopes, v1 (`.read`, `.write`, `.*`) and v2 (an ordered subset of `cruds`, with `?param=value` constraints).
 * What is not such a scope (openid, launch/patient, a typing error) grants nothing, so it is not in the result.
 * https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
 */
export function parseScopes(text: string): readonly Scope[] {
  if (typeof text !== 'string' || text === '') return []
  const known = parsed.get(text)
  if (known !== undefined) return known
  const scopes = [...new Set(text.split(' '))].map(parseScope).filter((scope) => scope !== null)
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(text, scopes)
  return scopes
}

/** One scope, or null when it grants nothing. */
export function parseScope(text: string): Scope | null {
  const match = PATTERN.exec(text.startsWith(URI_PREFIX) ? text.slice(URI_PREFIX.length) : text)
  if (match === null) return null
  const [, context, type, access, constraint] = match
  const version1 = VERSION_1.get(access!)
  if (type !== '*' && !isResourceType(type!)) return null
  if (constraint !== undefined && (version1 !== undefined || !isConstraint(constraint))) return null
  return {
    context: context as ScopeContext,
    type: type!,
    rights: version1 ?? [...access!] as Right[],
    constraint: constraint ?? null
  }
}

const URI_PREFIX = 'http://smarthealthit.org/fhir/scopes/'
const PATTERN = /^(patient|user|system)\/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(.*))?$/s
const VERSION_1: ReadonlyMap<string, readonly Right[]> = new Map([['read', ['r', 's']], ['write', ['c', 'u', 'd']], ['*', RIGHTS]])

/** Parsed scope texts by text; emptied when full, as a text is parsed again in microseconds. */
const parsed = new Map<string, readonly Scope[]>()
const PARSED_MAX = 1_000

/** Form only: every pair has a name and a value. Whether the type has the parameter is found when the scope is used. */
function isConstraint(text: string): boolean {
  return !/[\s"\\]/.test(text) && text.split('&').every((pair) => {
    const at = pair.indexOf('=')
    return /^[A-Za-z_][\w.:-]*$/.test(pair.slice(0, Math.max(at, 0))) && at < pair.length - 1 && isDecodable(pair)
  })
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
