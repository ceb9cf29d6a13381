/** The `fhirpath` package as the judge of what a search expression yields. */
import fhirpath from 'fhirpath'
import model from 'fhirpath/fhir-context/r4'
import type { Resource } from '../../src/model/resource.ts'
import { referencedType } from '../../src/search/references.ts'
import type { SearchParam } from '../../src/search/query.ts'

interface Node {
  readonly data: unknown
  readonly constructor: { readonly name: string; makeResNode(context: unknown, data: unknown, ...rest: readonly null[]): Node }
}
type Evaluate = (resource: unknown, environment: object) => readonly unknown[]

/**
 * R4's text in the words of the FHIRPath standard: `as` on collections means `ofType`, `DateTime` the primitive, `hasExtension` is a
 * function that only some servers know.
 */
export const standard = (expression: string): string => expression
  .replace(/\((\S+) as (\w+)\)/g, '$1.ofType($2)').replace(/\.as\((\w+)\)/g, '.ofType($1)').replace(/ofType\(DateTime\)/g,
    'ofType(dateTime)')
  .replace(/hasExtension\(('[^']*')\)/g, 'extension($1).exists()')

/**
 * The parts of a union, one by one: the package drops duplicates across them, which throws on a Quantity with a comparator and takes
 * decimals that differ by less than a tolerance (1e-22, 1e-245) for one. A search parameter's values need not be distinct.
 */
export const parts = (expression: string): readonly string[] => standard(expression).split(' | ')

let judged: Resource = { resourceType: 'Basic' }

/** Stands in for fetching: the reference's text, its `type`, or the contained resource names the target's type. */
function resolve(this: unknown, inputs: readonly Node[]): readonly Node[] {
  return inputs.flatMap((node) => {
    const { reference, type } = (typeof node.data === 'string' ? { reference: node.data } : node.data) as { reference?: string; type?: string }
    const contained = (judged.contained ?? []) as readonly Resource[]
    const local = reference?.startsWith('#') === true ? contained.find(({ id }) => id === reference.slice(1))?.resourceType : undefined
    const target = local ?? (reference === undefined ? null : referencedType(reference)) ?? type
    return target === undefined ? [] : [node.constructor.makeResNode(this, { resourceType: target }, null, null, null, null)]
  })
}

const options = { resolveInternalTypes: false, userInvocationTable: { resolve: { internalStructures: true, fn: resolve,
  arity: { 0: [] } } } }
const compiled = new Map<string, Evaluate>()

/** Evaluates an expression of the standard; each value with the name of its type. Elements that have only extensions are left out. */
export function evaluate(expression: string, resource: Resource): readonly { readonly type: string; readonly value: unknown }[] {
  judged = resource
  let run = compiled.get(expression)
  if (run === undefined) compiled.set(expression, (run = fhirpath.compile(expression, model, options as never) as unknown as Evaluate))
  const found = run(resource, { resource })
  const types: readonly string[] = fhirpath.types(found as never)
  return found.map((each, index) => ({ type: types[index]!.replace(/^(FHIR|System)\./, ''),
    value: plain(each) })).filter(({ value }) => value !== null && value !== undefined)
}

/** As a caller without compiled accessors would: parse and evaluate, every time. */
export const evaluateAnew = (param: SearchParam, resource: Resource): unknown =>
  fhirpath.evaluate(resource, standard(param.expression), undefined, model, options as never)

/** Decimals come as objects with the text they were written with. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const data = value.constructor.name === 'ResourceNode' ? (value as Node).data : value
  return typeof data === 'object' && data !== null && 'asStr' in data ? Number(data.asStr) : data
}
