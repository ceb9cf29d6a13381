/** $subsumes (https://hl7.org/fhir/R4/codesystem-operation-subsumes.html): how two codes of one code system stand to each other. */
import { fault } from '../../model/errors.ts'
import type { Coding } from '../../model/resource.ts'
import { type CodeNode, type Codes, isBelow } from '../terminology/code-system.ts'
import type { CodeSystem } from '../terminology/resources.ts'
import { codeSystemOf, instanceOf, notHere, parameter, parametersReply, usable } from './coding.ts'
import type { OperationCall, OperationDefinition } from './operation.ts'

export const subsumes: OperationDefinition = {
  code: 'subsumes',
  definition: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes',
  levels: ['type', 'instance'],
  resourceTypes: ['CodeSystem'],
  affectsState: false,
  right: 'r',
  parameters: [parameter('codeA', 'code'), parameter('codeB', 'code'), parameter('system', 'uri'), parameter('version', 'string'), parameter('codingA', 'Coding'), parameter('codingB', 'Coding')],
  async handler(call) {
    const { given } = call
    const own = await instanceOf(call, ['system', 'version']) as CodeSystem | null
    const [a, b] = [codeOf(call, 'A'), codeOf(call, 'B')]
    const systems = new Set([given.text('system'), a.system ?? null, b.system ?? null].filter((system) => system !== null))
    const [system] = systems
    if (systems.size > 1 || (own !== null && system !== undefined && system !== own.url)) throw fault(400, 'invalid', 'Both codes must be of the one code system that is named')
    if (own === null && system === undefined) throw fault(400, 'required', 'The parameter system is missing')
    const codes = own === null ? await codeSystemOf(call, system!, given.text('version') ?? a.version ?? null) : usable(own)
    // Where not all codes are here, one more of them could stand between the two.
    if (!codes.complete) throw notHere()
    return parametersReply([{ name: 'outcome', valueCode: outcome(nodeOf(codes, a, 'A'), nodeOf(codes, b, 'B')) }])
  }
}

function codeOf({ given }: OperationCall, letter: 'A' | 'B'): Coding {
  const [code, coding] = [given.text(`code${letter}`), given.value(`coding${letter}`) as Coding | undefined]
  if ((code === null) === (coding === undefined)) throw fault(400, 'required', `One of the parameters code${letter} and coding${letter} is needed`)
  return coding ?? { code: code! }
}

function nodeOf(codes: Codes, { code = '' }: Coding, letter: string): CodeNode {
  const found = codes.find(code)
  if (found === undefined) throw fault(404, 'not-found', `The code system has no such code as the ${letter} that was asked about`)
  return found
}

const outcome = (a: CodeNode, b: CodeNode): string => (a === b ? 'equivalent' : isBelow(a, b) ? 'subsumes' : isBelow(b, a) ? 'subsumed-by' : 'not-subsumed')
