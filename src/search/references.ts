import type { Resource } from '../model/resource.ts'
import { isResourceType } from './classification.ts'

/** A reference to a resource of this server. `version` is the text after `/_history/`, null where there is none. */
export interface LocalReference { readonly type: string; readonly id: string; readonly version: string | null }
/** Every other well-formed reference: another host, `urn:…`, or `#contained`. */
export interface UrlReference { readonly url: string }

const relativePattern = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/
const anyPattern = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/
const absolutePattern = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$/

/**
 * Reads the text of `Reference.reference` (https://hl7.org/fhir/R4/references.html#literal). `base` is the server's FHIR base
 * without a final slash. Scheme, host and default port of an absolute reference are compared as URLs, the rest exactly. Null: malformed,
 * which includes unknown types, a trailing slash, a wrong case and a query.
 */
export function parseReference(text: string, base: string): LocalReference | UrlReference | null {
  const relative = parseRelative(text)
  if (relative !== null) return relative
  if (text.startsWith('#')) return { url: text }
  if (!absolutePattern.test(text)) return null
  const rest = underBase(text, base)
  return (rest === null ? null : parseRelative(rest)) ?? { url: text }
}

/**
 * Whether a reference lies under our base and still names no resource (`…/Patient/b/`, `…//Patient/b`, `…/Patient/%62`, `…/Patient/b#x`). It
 * reads like a patient's and would be nobody's.
 */
export function isStray(text: string, base: string): boolean {
  if (!absolutePattern.test(text)) return false
  const parsed = parseReference(text, base)
  return parsed !== null && 'url' in parsed && underBase(text, base) !== null
}

/** The type that a reference says it points to, by its text alone; null where the text does not say. */
export function referencedType(text: string): string | null {
  const type = anyPattern.exec(text)?.[1]
  return type !== undefined && isResourceType(type) ? type : null
}

/**
 * Every literal reference of a resource, contained resources and bundle entries included, in document order. `path` is the
 * FHIRPath of the Reference element with indexes, such as `Observation.performer[0]`.
 */
export function referencesIn(resource: Resource): readonly { readonly path: string; readonly reference: string }[] {
  const found: { path: string; reference: string }[] = []
  const steps: (string | number)[] = [resource.resourceType]
  const visit = (node: object): void => {
    if (Array.isArray(node)) {
      for (let index = 0; index < node.length; index++) {
        const child: unknown = node[index]
        if (typeof child !== 'object' || child === null) continue
        steps.push(index)
        visit(child)
        steps.pop()
      }
      return
    }
    for (const key in node) {
      const child = (node as Record<string, unknown>)[key]
      if (typeof child === 'string') {
        if (key === 'reference') found.push({ path: pathText(steps), reference: child })
      } else if (typeof child === 'object' && child !== null) {
        steps.push(key)
        visit(child)
        steps.pop()
      }
    }
  }
  visit(resource)
  return found
}

function parseRelative(text: string): LocalReference | null {
  const match = relativePattern.exec(text)
  return match === null || !isResourceType(match[1]!) ? null : { type: match[1]!, id: match[2]!, version: match[3] ?? null }
}

/** What follows the base in an absolute URL, however its scheme, host and dots are written; null for another server. */
function underBase(text: string, base: string): string | null {
  const start = `${base}/`
  if (text.startsWith(start) && relativePattern.test(text.slice(start.length))) return text.slice(start.length)
  if (!/^https?:/i.test(text) || !URL.canParse(text) || !URL.canParse(base)) return null
  const url = new URL(text)
  const own = new URL(base)
  const prefix = `${own.pathname.replace(/\/$/, '')}/`
  if (url.origin !== own.origin || !url.pathname.startsWith(prefix)) return null
  return url.pathname.slice(prefix.length) + url.search + url.hash
}

function pathText(steps: readonly (string | number)[]): string {
  let text = ''
  for (const step of steps) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`
  return text
}
