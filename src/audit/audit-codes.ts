/** Codings of the projected AuditEvents (DICOM, HL7, IHE BALP 1.1). Displays are left out, as HL7 advises for audit. */
import type { Interaction } from '../model/interaction.ts'
import type { Coding } from '../model/resource.ts'
import type { OwnEvent, StoreCopy } from './record.ts'

const DCM = 'http://dicom.nema.org/resources/ontology/DCM'
const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem/'
const BALP = 'https://profiles.ihe.net/ITI/BALP/'

export const dcm = (code: string): Coding => ({ system: DCM, code })
export const participation = (code: string): Coding => ({ system: `${TERMINOLOGY}v3-ParticipationType`, code })
export const entityType = (code: string): Coding => ({ system: `${TERMINOLOGY}audit-entity-type`, code })
export const objectRole = (code: string): Coding => ({ system: `${TERMINOLOGY}object-role`, code })
export const resourceTypeCode = (code: string): Coding => ({ system: 'http://hl7.org/fhir/resource-types', code })
export const actReason = (code: string): Coding => ({ system: `${TERMINOLOGY}v3-ActReason`, code })
export const restful = (code: Interaction): Coding => ({ system: 'http://hl7.org/fhir/restful-interaction', code })

const lifecycle = (code: string): Coding => ({ system: `${TERMINOLOGY}dicom-audit-lifecycle`, code })

export const REST: Coding = { system: `${TERMINOLOGY}audit-event-type`, code: 'rest' }
export const CUSTODIAN: Coding = { system: `${TERMINOLOGY}provenance-participant-type`, code: 'custodian' }
export const APPLICATION_SERVER: Coding = { system: `${TERMINOLOGY}security-source-type`, code: '4' }
export const PERMANENT_ERASURE = lifecycle('15')
export const REQUEST_ID: Coding = { system: `${BALP}CodeSystem/BasicAuditEntityType`, code: 'XrequestId' }
export const AUTHORIZATION_SERVICE: Coding = { system: `${BALP}CodeSystem/UserAgentTypes`, code: 'AuthzOauthService' }
export const APPLICATION = dcm('110150')
export const DESTINATION = dcm('110152')
export const SOURCE = dcm('110153')
export const DESTINATION_MEDIA = dcm('110154')
export const SOURCE_MEDIA = dcm('110155')

const AUTHENTICATION = dcm('110114')
const ALERT = dcm('110113')
const RECORDING_STARTED = dcm('110134')

/** Type, and subtype where there is one, of the events that are no FHIR interaction. */
export const OWN_EVENTS: Readonly<Record<OwnEvent, { readonly type: Coding; readonly subtype: Coding | null }>> = {
  token: { type: AUTHENTICATION, subtype: { system: 'urn:ihe:event-type-code', code: 'ITI-71' } },
  refused: { type: AUTHENTICATION, subtype: dcm('110122') },
  erase: { type: dcm('110110'), subtype: null },
  export: { type: dcm('110106'), subtype: null },
  import: { type: dcm('110107'), subtype: null },
  'ledger-start': { type: ALERT, subtype: RECORDING_STARTED },
  'ledger-heads': { type: ALERT, subtype: RECORDING_STARTED }
}

/** Lifecycle of ISO 21089, and that of DICOM, of a copy of a whole store. */
export function lifecyclesOf({ command }: Pick<StoreCopy, 'command'>, event: 'export' | 'import'): { readonly iso: Coding; readonly dicom: Coding } {
  const iso = command === 'move' ? (event === 'export' ? 'transmit' : 'receive') : command === 'backup' ? 'archive' : 'restore'
  return { iso: { system: `${TERMINOLOGY}iso-21089-lifecycle`, code: iso }, dicom: lifecycle(event === 'export' ? '10' : '2') }
}

export const TOKEN_PROFILE = `${BALP}StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive`

/** RFC 3553 form of a token id; the token itself is never shown. */
export const jtiUrn = (jti: string): string => `urn:ietf:params:oauth:jti:${encodeURIComponent(jti)}`

/** The BALP profile of an interaction that BALP profiles; history, batch, transaction and operations have none. */
export function balpProfile(interaction: string, ofPatient: boolean): string | null {
  const name = PROFILES[interaction]
  return name === undefined ? null : `${BALP}StructureDefinition/IHE.BasicAudit.${ofPatient ? 'Patient' : ''}${name}`
}

const PROFILES: Readonly<Record<string, string>> = {
  read: 'Read', vread: 'Read', 'search-type': 'Query', 'search-system': 'Query', create: 'Create', update: 'Update', patch: 'Update', delete: 'Delete'
}
