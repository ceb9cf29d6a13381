/** SearchParameters of packages, as the search knows them (https://hl7.org/fhir/R4/searchparameter.html). */
import { readPaths } from '../../search/accessor-paths.ts'
import { compileAccessor } from '../../search/accessor.ts'
import { parseExpression } from '../../search/accessor-syntax.ts'
import { isResourceType } from '../../search/classification.ts'
import { searchParam } from '../../search/parameters.ts'
import type { Definition } from '../../search/parameter-facts.ts'

export interface SearchParameterResource {
  readonly url: string
  readonly code?: string
  readonly type?: string
  readonly base?: readonly string[]
  readonly expression?: string
  readonly target?: readonly string[]
}

const KINDS: ReadonlySet<string> = new Set(['string', 'token', 'reference', 'date', 'quantity', 'number', 'uri'])
const CODE = /^[A-Za-z_][\w-]{0,63}$/

/** Null: of a kind or with an expression that this server does not search by. */
export function searchDefinition({ url, code, type, base = [], expression, target = [] }: SearchParameterResource): Definition | null {
  if (code === undefined || !CODE.test(code) || type === undefined || !KINDS.has(type) || expression === undefined) return null
  if (base.length === 0 || !base.every(isResourceType)) return null
  if (code.startsWith('_') && searchParam(base[0]!, code) === undefined) return null
  const known = rewritten(expression)
  const finds = base.every((each) => canRead(known, each))
  return finds ? { url, code, type, base, expression: known, target, component: [] } : null
}

/** `valueDateTime`, which is JSON and not FHIRPath, is meant as `value as dateTime`. */
const rewritten = (expression: string): string =>
  expression.replace(/\.value([A-Z]\w*)/g, (_, type: string) => `.value.as(${PRIMITIVE.test(type) ? type.charAt(0).toLowerCase() + type.slice(1) : type})`)

const PRIMITIVE = /^(Boolean|Integer|Decimal|String|Uri|Url|Canonical|Code|Date|DateTime|Instant|Time|Oid|Id|Uuid|Markdown|PositiveInt|UnsignedInt|Base64Binary)$/

function canRead(expression: string, type: string): boolean {
  try {
    const parsed = parseExpression(expression)
    compileAccessor(parsed, type)
    return readPaths(parsed, type).length > 0
  } catch {
    return false
  }
}
