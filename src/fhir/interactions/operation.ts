/** Operations (https://hl7.org/fhir/R4/operations.html): right, parameters, handler, as each is declared. */
import { fault } from '../../model/errors.ts'
import type { InteractionDefinition } from '../exchange.ts'
import { argumentsOf } from '../operations/arguments.ts'
import { operationOf } from '../operations/index.ts'

export const operation: InteractionDefinition = {
  code: 'operation',
  right: null,
  async run(exchange) {
    const { request, guarded, site } = exchange
    const definition = operationOf(request.operation ?? '', request.type)
    if (definition === undefined) throw fault(404, 'not-supported', 'No such operation')
    if (definition.right !== null && request.type !== null) guarded.require(request.type, definition.right)
    return definition.handler({ exchange, given: argumentsOf(request, definition, site.bounds.jsonDepthMax) })
  }
}
