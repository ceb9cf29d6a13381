/**
 * $validate-code of a ValueSet (https://hl7.org/fhir/R4/valueset-operation-validate-code.html) and of a CodeSystem. A yes or a no is given
 * only where it can be told: where a code system is not here in full and does not list the code, the answer is a 422.
 */
import { fault } from '../../model/errors.ts'
import type { FhirResponse } from '../../model/interaction.ts'
import { codesOf } from '../terminology/code-system.ts'
import type { Library } from '../terminology/library.ts'
import type { CodeSystem, Designation } from '../terminology/resources.ts'
import type { Answer } from '../terminology/value-set.ts'
import { validateResource } from '../validate/validate.ts'
import { type Code, codesGiven, codeSystemOf, instanceOf, notHere, parameter, parametersReply, part, sameDisplay, usable, valueSetOf } from './coding.ts'
import { inLanguage } from './expand.ts'
import type { OperationCall, OperationDefinition } from './operation.ts'

const SHARED = [
  parameter('code', 'code'), parameter('display', 'string'), parameter('coding', 'Coding'), parameter('codeableConcept', 'CodeableConcept'), parameter('abstract', 'boolean'), parameter('displayLanguage', 'code')
]

export const valueSetValidateCode: OperationDefinition = {
  code: 'validate-code',
  definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code',
  levels: ['type', 'instance'],
  resourceTypes: ['ValueSet'],
  affectsState: false,
  right: 'r',
  parameters: [parameter('url', 'uri'), parameter('valueSet', 'Resource'), parameter('valueSetVersion', 'string'), parameter('system', 'uri'), parameter('systemVersion', 'string'), ...SHARED],
  async handler(call) {
    const { given } = call
    if (given.text('code') !== null && given.text('system') === null) throw fault(400, 'required', 'The parameter system is missing beside code')
    const codes = codesGiven(call, { system: given.text('system'), version: given.text('systemVersion') })
    const { set, library, terminology } = await valueSetOf(call)
    const abstract = given.text('abstract') === 'true'
    return answer(call, codes, (code) => {
      const found = findIn(library, code)
      const told = code.system === null ? 'out' : terminology.contains(set, { system: code.system, code: code.code, abstract })
      // Another version than the one that is here cannot be judged.
      return { told: told === 'in' && code.version !== null && found?.version !== code.version ? 'unknown' : told, display: found?.display, designation: found?.designation ?? [] }
    }, 'The code is not in the value set')
  }
}

export const codeSystemValidateCode: OperationDefinition = {
  code: 'validate-code',
  definition: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code',
  levels: ['type', 'instance'],
  resourceTypes: ['CodeSystem'],
  affectsState: false,
  right: 'r',
  parameters: [parameter('url', 'uri'), parameter('codeSystem', 'Resource'), parameter('version', 'string'), ...SHARED],
  async handler(call) {
    const { given } = call
    const url = given.text('url')
    const sent = given.value('codeSystem')
    const own = await instanceOf(call, ['url', 'codeSystem', 'version']) as CodeSystem | null
    if (own === null && (url === null) === (sent === undefined)) throw fault(400, 'required', 'One of the parameters url and codeSystem is needed')
    const codes = codesGiven(call, { system: null, version: null })
    const system = own !== null ? usable(own) : sent !== undefined ? usable(validateResource(sent, 'CodeSystem') as CodeSystem) : await codeSystemOf(call, url!, given.text('version'))
    return answer(call, codes, ({ system: named, version, code }) => {
      const node = system.find(code)
      const isOther = (named !== null && named !== system.resource.url) || (version !== null && version !== system.resource.version)
      const told: Answer = isOther ? 'out' : node === undefined ? (system.complete ? 'out' : 'unknown') : node.abstract && given.text('abstract') === 'false' ? 'out' : 'in'
      return { told, display: node?.concept.display, designation: node?.concept.designation ?? [] }
    }, 'The code is not in the code system')
  }
}

interface Judged { readonly told: Answer; readonly display: string | undefined; readonly designation: readonly Designation[] }

/** True where one of the codes is in and its display, if one was given, is its own. */
function answer(call: OperationCall, codes: readonly Code[], judge: (code: Code) => Judged, otherwise: string): FhirResponse {
  const judged = codes.map((code) => ({ code, ...judge(code) }))
  const isIn = judged.filter(({ told }) => told === 'in')
  if (isIn.length === 0 && judged.some(({ told }) => told === 'unknown')) throw notHere()
  const fits = isIn.find(({ code, display, designation }) => code.display === null || display === undefined || [display, ...designation.map(({ value = '' }) => value)].some((each) => sameDisplay(each, code.display!)))
  const chosen = fits ?? isIn[0]
  const message = fits !== undefined ? null : isIn.length > 0 ? 'The display is not one of the code' : otherwise
  const shown = chosen && (inLanguage(chosen.designation, call.given.text('displayLanguage')) ?? chosen.display)
  return parametersReply([part('result', 'valueBoolean', fits !== undefined), part('message', 'valueString', message), part('display', 'valueString', shown)])
}

function findIn(library: Library, { system, code }: Code): { readonly version: string | undefined; readonly display: string | undefined; readonly designation: readonly Designation[] } | null {
  const found = system === null ? undefined : library.codeSystem(system)
  const concept = found === undefined ? undefined : codesOf(found).find(code)?.concept
  return found === undefined ? null : { version: found.version, display: concept?.display, designation: concept?.designation ?? [] }
}
