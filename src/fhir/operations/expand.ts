/** $expand (https://hl7.org/fhir/R4/valueset-operation-expand.html): the codes of a value set, each once, always flat. */
import { fault } from '../../model/errors.ts'
import { fold } from '../../search/types/text.ts'
import { jsonReply } from '../reply.ts'
import type { Designation } from '../terminology/resources.ts'
import type { Member } from '../terminology/value-set.ts'
import { parameter, valueSetOf } from './coding.ts'
import type { Arguments, OperationDefinition } from './operation.ts'

export const expand: OperationDefinition = {
  code: 'expand',
  definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand',
  levels: ['type', 'instance'],
  resourceTypes: ['ValueSet'],
  affectsState: false,
  right: 'r',
  parameters: [
    parameter('url', 'uri'), parameter('valueSet', 'Resource'), parameter('valueSetVersion', 'string'), parameter('filter', 'string'), parameter('offset', 'integer'), parameter('count', 'integer'),
    parameter('includeDesignations', 'boolean'), parameter('includeDefinition', 'boolean'), parameter('activeOnly', 'boolean'), parameter('excludeNested', 'boolean'), parameter('displayLanguage', 'code')
  ],
  async handler(call) {
    const { exchange: { site }, given } = call
    const [offset, count] = ['offset', 'count'].map((name) => numberOf(given, name))
    const { set, terminology } = await valueSetOf(call)
    const words = fold(given.text('filter') ?? '').split(' ').filter((word) => word !== '')
    const all = terminology.expand(set).filter((member) => (given.text('activeOnly') !== 'true' || !member.inactive) && words.every((word) => isFound(member, word)))
    const page = all.slice(offset ?? 0, count === null ? undefined : (offset ?? 0) + count!)
    const { compose, expansion: _expansion, text: _text, resourceType: _type, ...head } = set
    const asked = given.pairs.filter(([name]) => name !== 'url' && name !== 'valueSetVersion')
    return jsonReply({
      resourceType: 'ValueSet', ...head, ...(given.text('includeDefinition') === 'true' && compose !== undefined ? { compose } : {}),
      expansion: {
        identifier: `urn:uuid:${site.newId()}`, timestamp: new Date(site.now).toISOString(), total: all.length, ...(offset === null ? {} : { offset }),
        ...(asked.length === 0 ? {} : { parameter: asked.map(([name, value]) => ({ name, ...typed(name, value) })) }),
        ...(page.length === 0 ? {} : { contains: page.map((member) => contained(member, given)) })
      }
    })
  }
}

function numberOf(given: Arguments, name: string): number | null {
  const text = given.text(name)
  if (text !== null && Number(text) < 0) throw fault(400, 'value', `The parameter ${name} is not below 0`)
  return text === null ? null : Number(text)
}

/** A word of the filter stands at the begin of the code, or of a word of the display. */
function isFound({ code, display = '' }: Member, word: string): boolean {
  const text = fold(display)
  return fold(code).startsWith(word) || text.startsWith(word) || text.split(/[^\p{L}\p{N}]+/u).some((each) => each.startsWith(word))
}

function contained({ system, version, code, display, designation, abstract, inactive }: Member, given: Arguments): unknown {
  const shown = inLanguage(designation, given.text('displayLanguage')) ?? display
  return {
    system, ...(abstract ? { abstract } : {}), ...(inactive ? { inactive } : {}), ...(version === undefined ? {} : { version }), code, ...(shown === undefined ? {} : { display: shown }),
    ...(given.text('includeDesignations') === 'true' && designation.length > 0 ? { designation } : {})
  }
}

/** A designation in the language that was asked for, or in a region's form of it. */
export const inLanguage = (designations: readonly Designation[], language: string | null): string | undefined =>
  language === null ? undefined : (designations.find((each) => each.language === language) ?? designations.find((each) => each.language?.startsWith(`${language}-`)))?.value

function typed(name: string, value: string): object {
  const type = expand.parameters.find((each) => each.name === name)?.type
  return type === 'boolean' ? { valueBoolean: value === 'true' } : type === 'integer' ? { valueInteger: Number(value) } : type === 'code' ? { valueCode: value } : { valueString: value }
}
