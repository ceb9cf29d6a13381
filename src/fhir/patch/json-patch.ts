/** JSON Patch (RFC 6902) on FHIR JSON. The library applies the operations; what it is lax about is checked here first. */
import { applyPatch, type Operation, Pointer } from 'rfc6902'
import { isRawNumber, numberText, rawNumber } from '../../model/decimal.ts'
import { fault, type FhirError } from '../../model/errors.ts'
import type { Resource } from '../../model/resource.ts'

/** Operations of one patch. */
export const PATCH_OPERATIONS_MAX = 1000
/** JSON values that the `copy` operations of one patch may make: each could double the document. */
const COPIED_VALUES_MAX = 100_000

/**
 * The document after the patch; the argument is not changed. FhirError 400 where the patch is not a JSON Patch, 422 where an operation does
 * not apply. Numbers keep their text, and `test` compares them by value.
 */
export function applyJsonPatch(resource: Resource, patch: unknown): Resource {
  if (!Array.isArray(patch)) throw fault(400, 'structure', 'A JSON Patch is an array of operations')
  if (patch.length > PATCH_OPERATIONS_MAX) throw fault(413, 'too-costly', `A patch may have ${PATCH_OPERATIONS_MAX} operations`)
  const holder = { document: sealed(resource) }
  let copied = 0
  patch.forEach((each, index) => {
    const operation = operationIn(each, index)
    if (operation.op === 'copy') copied += sizeOf(Pointer.fromJSON(operation.from).get(holder.document))
    if (copied > COPIED_VALUES_MAX) throw fault(422, 'too-costly', `The copies of a patch may make ${COPIED_VALUES_MAX} values`, place(index))
    apply(holder, operation, index)
  })
  return opened(holder.document) as Resource
}

const place = (index: number): string => `patch[${index}]`

const doesNotApply = (index: number, why: string): FhirError => fault(422, 'processing', `Operation ${index} of the patch does not apply: ${why}`, place(index))

const OPERATIONS: ReadonlySet<unknown> = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

function operationIn(value: unknown, index: number): Operation {
  const malformed = (why: string): FhirError => fault(400, 'structure', `Operation ${index} of the patch ${why}`, place(index))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('is not an object')
  const { op, path, from } = value as Record<string, unknown>
  if (!OPERATIONS.has(op)) throw malformed("has no known 'op'")
  if (!isPointer(path)) throw malformed("has no JSON Pointer as 'path'")
  if ((op === 'move' || op === 'copy') && !isPointer(from)) throw malformed("has no JSON Pointer as 'from'")
  if ((op === 'add' || op === 'replace' || op === 'test') && !Object.hasOwn(value, 'value')) throw malformed("has no 'value'")
  return value as Operation
}

const isPointer = (text: unknown): text is string => typeof text === 'string' && /^(\/([^~/]|~[01])*)*$/.test(text)

interface Holder { document: unknown }

function apply(holder: Holder, operation: Operation, index: number): void {
  if (operation.op === 'move') {
    if (operation.path.startsWith(`${operation.from}/`)) throw doesNotApply(index, 'a value cannot be moved into itself')
    reach(holder.document, operation.from, false, index)
    const value = Pointer.fromJSON(operation.from).get(holder.document)
    run(holder, { op: 'remove', path: operation.from }, index)
    apply(holder, { op: 'add', path: operation.path, value: opened(value) }, index)
    return
  }
  if (operation.op === 'copy') reach(holder.document, operation.from, false, index)
  reach(holder.document, operation.path, operation.op === 'add' || operation.op === 'copy', index)
  if (operation.op === 'test') {
    const found = Pointer.fromJSON(operation.path).get(holder.document)
    // The library would look for the shortest way from one to the other, which takes as long as their lengths multiplied.
    if (compared(found) !== compared(sealed(operation.value))) throw doesNotApply(index, 'the value is another one')
  } else if (operation.path === '' && operation.op !== 'remove') {
    holder.document = operation.op === 'copy' ? Pointer.fromJSON(operation.from).get(holder.document) : sealed(operation.value)
  } else run(holder, 'value' in operation ? { ...operation, value: sealed(operation.value) } : operation, index)
}

function run(holder: Holder, operation: Operation, index: number): void {
  const [error] = applyPatch(holder.document, [operation])
  if (error !== null) throw doesNotApply(index, 'there is no such place')
}

/**
 * The place must be there: own members and whole indexes only. `adds`: its last step may be new, a member or up to the end of a list. The
 * library would take `length` and inherited names for members, and `1x` for an index.
 */
function reach(document: unknown, pointer: string, adds: boolean, index: number): void {
  const { tokens } = Pointer.fromJSON(pointer)
  let at = document
  for (const [step, token] of tokens.entries()) {
    if (step === 0) continue
    const isNew = adds && step === tokens.length - 1
    if (Array.isArray(at)) {
      const fits = isNew ? token === '-' || isIndex(token, at.length + 1) : isIndex(token, at.length)
      if (!fits) throw doesNotApply(index, 'there is no such place')
      at = at[Number(token)]
    } else {
      const isObject = typeof at === 'object' && at !== null
      if (!isObject || FOREIGN.has(token) || (!isNew && !Object.hasOwn(at as object, token))) throw doesNotApply(index, 'there is no such place')
      at = (at as Record<string, unknown>)[token]
    }
  }
}

const FOREIGN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const isIndex = (token: string, below: number): boolean => /^(0|[1-9][0-9]{0,9})$/.test(token) && Number(token) < below

/* The library copies objects member by member, which would make a plain object of a raw number; a symbol stays what it is. */

const sealed = (value: unknown): unknown => mapped(value, (leaf) => (isRawNumber(leaf) ? Symbol(leaf.rawJSON) : leaf))

const opened = (value: unknown): unknown => mapped(value, (leaf) => (typeof leaf === 'symbol' ? rawNumber(leaf.description!) : leaf))

/** One text for all that RFC 6902 §4.6 calls equal: members in any order, 1.50 and 1.5. */
function compared(value: unknown): string {
  if (typeof value === 'symbol') return decimalValue(value.description!)
  if (typeof value === 'number') return decimalValue(numberText(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(compared).join()}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${compared(item)}`).join()}}`
}

function decimalValue(text: string): string {
  const [, sign = '', whole = '', part = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = (whole + part).replace(/^0+/, '')
  const bare = digits.replace(/0+$/, '')
  return bare === '' ? '0' : `${sign}${bare}e${BigInt(exponent) - BigInt(part.length) + BigInt(digits.length - bare.length)}`
}

function mapped(value: unknown, leafOf: (leaf: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return leafOf(value)
  if (Array.isArray(value)) return value.map((item) => mapped(item, leafOf))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapped(item, leafOf)]))
}

function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return 1 + Object.values(value).reduce((sum: number, item) => sum + sizeOf(item), 0)
}
