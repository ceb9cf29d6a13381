/** $lookup (https://hl7.org/fhir/R4/codesystem-operation-lookup.html): what a code system says of a code. */
import { fault } from '../../model/errors.ts'
import { type CodeNode, valueOf } from '../terminology/code-system.ts'
import { codesGiven, codeSystemOf, notHere, parameter, parametersReply, type Part, part } from './coding.ts'
import { inLanguage } from './expand.ts'
import type { OperationDefinition } from './operation.ts'

export const lookup: OperationDefinition = {
  code: 'lookup',
  definition: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup',
  levels: ['type'],
  resourceTypes: ['CodeSystem'],
  affectsState: false,
  right: 'r',
  parameters: [parameter('code', 'code'), parameter('system', 'uri'), parameter('version', 'string'), parameter('coding', 'Coding'), parameter('displayLanguage', 'code'), parameter('property', 'code', '*')],
  async handler(call) {
    const { given } = call
    const [asked] = codesGiven(call, { system: given.text('system'), version: given.text('version') })
    if (asked === undefined || asked.system === null) throw fault(400, 'required', 'A code and its system are needed')
    const codes = await codeSystemOf(call, asked.system, asked.version)
    const node = codes.find(asked.code)
    if (node === undefined) throw codes.complete ? fault(404, 'not-found', 'The code system has no such code') : notHere()
    const { name, title, version } = codes.resource
    const { display, designation = [] } = node.concept
    const wanted = new Set(given.texts('property'))
    const wants = (code: string): boolean => wanted.size === 0 || wanted.has(code)
    return parametersReply([
      part('name', 'valueString', name ?? title ?? asked.system), part('version', 'valueString', version),
      part('display', 'valueString', inLanguage(designation, given.text('displayLanguage')) ?? display ?? node.code),
      ...(wants('designation') ? designation.map((each) => ({ name: 'designation', part: [part('language', 'valueCode', each.language), part('use', 'valueCoding', each.use), part('value', 'valueString', each.value)].filter((one) => one !== null) })) : []),
      ...properties(node).filter(({ code }) => wants(code)).map(({ code, key, value }): Part => ({ name: 'property', part: [{ name: 'code', valueCode: code }, { name: 'value', [key]: value }] }))
    ])
  }
}

interface Property { readonly code: string; readonly key: string; readonly value: unknown }

function properties({ concept, parents, children, abstract, inactive }: CodeNode): readonly Property[] {
  const own = (concept.property ?? []).filter(({ code }) => !DERIVED.has(code)).map((property) => ({ code: property.code, key: Object.keys(property).find((key) => key.startsWith('value')) ?? 'valueString', value: valueOf(property) }))
  return [
    ...(concept.definition === undefined ? [] : [{ code: 'definition', key: 'valueString', value: concept.definition }]),
    ...parents.map(({ code }) => ({ code: 'parent', key: 'valueCode', value: code })), ...children.map(({ code }) => ({ code: 'child', key: 'valueCode', value: code })),
    { code: 'inactive', key: 'valueBoolean', value: inactive }, ...(abstract ? [{ code: 'notSelectable', key: 'valueBoolean', value: true }] : []), ...own
  ]
}

const DERIVED: ReadonlySet<string> = new Set(['parent', 'child', 'subsumedBy', 'inactive', 'notSelectable'])
