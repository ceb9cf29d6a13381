/** Who took part: the client and the server with their part in the exchange, the application of the token, and the user. */
import type { Coding } from '../model/resource.ts'
import * as codes from './audit-codes.ts'
import type { AccessRecord, AuditedInteraction } from './record.ts'

interface Parts { readonly client: Coding; readonly server: Coding; readonly user: Coding }

/** `comprehensive`: the agents meet BALP's comprehensive OAuth profile. */
export function agentsIn(record: AccessRecord, interaction: AuditedInteraction, context: { readonly base: string; readonly site: string }): { readonly list: readonly object[]; readonly comprehensive: boolean } {
  const parts = partsOf(interaction)
  const user = record.subject !== null && record.subject !== record.client ? userAgent(record, parts.user) : null
  const network = record.address === '' ? {} : { network: { address: record.address, type: '2' } }
  const who = record.copy !== null ? { name: record.copy.place } : record.client === null ? {} : { who: { identifier: { value: record.client } } }
  const own = interaction === 'ledger-start' || interaction === 'ledger-heads'
  const list: object[] = []
  if (!own) list.push({ type: coded(parts.client), ...who, requestor: user === null, ...(user === null ? tokenFacts(record) : {}), ...network })
  list.push({ type: coded(parts.server), who: { identifier: { value: context.site } }, requestor: own, network: { address: context.base, type: '5' } })
  if (record.client !== null && parts.client !== codes.APPLICATION) list.push({ type: coded(codes.APPLICATION), ...who, requestor: false })
  if (user !== null) list.push(user)
  const comprehensive = record.client !== null && (user === null || parts.user.code !== 'IRCP' || record.jti !== null)
  return { list, comprehensive }
}

/** Our own request id. The client's is free text of the client: only for readers who may see queries. */
export function requestEntity(record: AccessRecord, withQuery: boolean): object {
  const detail = withQuery && record.clientRequestId !== null ? { detail: [{ type: 'client-request-id', valueString: record.clientRequestId }] } : {}
  return { what: { identifier: { value: record.requestId } }, type: codes.REQUEST_ID, ...detail }
}

const RECIPIENT = codes.participation('IRCP')
const AUTHOR = codes.participation('AUT')
const CUSTODIAN_USER = codes.participation('CST')

/** Data flows from the source to the destination: of a read, server to client; of a query or a write, client to server. */
function partsOf(interaction: AuditedInteraction): Parts {
  switch (interaction) {
    case 'read': case 'vread': case 'history-instance': case 'history-type': case 'history-system': case 'capabilities':
      return { client: codes.DESTINATION, server: codes.SOURCE, user: RECIPIENT }
    case 'create': case 'update': case 'patch':
      return { client: codes.SOURCE, server: codes.DESTINATION, user: AUTHOR }
    case 'delete': case 'erase':
      return { client: codes.APPLICATION, server: codes.CUSTODIAN, user: AUTHOR }
    case 'token': case 'refused':
      return { client: codes.APPLICATION, server: codes.AUTHORIZATION_SERVICE, user: RECIPIENT }
    case 'export':
      return { client: codes.DESTINATION_MEDIA, server: codes.SOURCE, user: CUSTODIAN_USER }
    case 'import':
      return { client: codes.SOURCE_MEDIA, server: codes.DESTINATION, user: CUSTODIAN_USER }
    case 'ledger-start': case 'ledger-heads':
      return { client: codes.APPLICATION, server: codes.APPLICATION, user: RECIPIENT }
    default:
      return { client: codes.SOURCE, server: codes.DESTINATION, user: RECIPIENT }
  }
}

const RELATIVE = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/

function userAgent(record: AccessRecord, part: Coding): object {
  const { fhirUser, issuer, subject, roles } = record
  const reference = fhirUser !== null && RELATIVE.test(fhirUser) ? { reference: fhirUser } : {}
  const identifier = { ...(issuer === null ? {} : { system: issuer }), value: subject }
  return {
    type: coded(part),
    ...(roles.length === 0 ? {} : { role: roles.map((role) => ({ text: role })) }),
    who: { ...reference, identifier },
    requestor: true,
    ...tokenFacts(record)
  }
}

function tokenFacts({ jti, purposes }: AccessRecord): object {
  return {
    ...(jti === null ? {} : { policy: [codes.jtiUrn(jti)] }),
    ...(purposes.length === 0 ? {} : { purposeOfUse: purposes.map((code) => coded(codes.actReason(code))) })
  }
}

const coded = (coding: Coding): { readonly coding: readonly Coding[] } => ({ coding: [coding] })
