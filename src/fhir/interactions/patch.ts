/** patch by id and by criteria (https://hl7.org/fhir/R4/http.html#patch). */
import { fault, notFound } from '../../model/errors.ts'
import { conditionalMatch, criteriaOf } from '../conditional.ts'
import { allowParams, ifMatchVersion, type InteractionDefinition } from '../exchange.ts'
import { patchIn } from '../patch/patch-body.ts'
import { writeReply } from './write.ts'

export const patch: InteractionDefinition = {
  code: 'patch',
  right: 'u',
  async run(exchange) {
    const { request, guarded } = exchange
    const type = request.type!
    guarded.require(type, 'u')
    if (type === 'AuditEvent') throw fault(405, 'not-supported', 'An AuditEvent is never changed')
    const change = patchIn(exchange)
    const ifMatch = ifMatchVersion(request)
    let { id } = request
    if (id === null) {
      const match = await conditionalMatch(exchange, type, criteriaOf(request))
      if (match === null) throw notFound()
      id = match.row.id
    } else allowParams(request, ['_format', '_pretty'])
    return writeReply(exchange, await guarded.patch({ type, id }, ifMatch, change), 200)
  }
}
