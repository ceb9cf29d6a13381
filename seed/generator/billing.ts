/** What a visit or a prescription costs, and what the payer made of it. */
import { numberOf, type RawJson } from '../../src/model/decimal.ts'
import { doctorName, toClinician, toLocation, toOrganization } from './facilities.ts'
import { type Code, coded, concept, dateTime, hl7, money, NPI, period, toEntry } from './parts.ts'
import { displayName } from './person.ts'
import { decimalOf } from './random.ts'
import type { Visit } from './story.ts'

/** Something on the bill: an entry of the bundle and its code. */
export interface Billed { readonly id: string; readonly code: Code }

export interface Bill {
  readonly conditions: readonly Billed[]
  readonly procedures: readonly Billed[]
  readonly immunizations: readonly Billed[]
}

interface Item { readonly sequence: number; readonly [element: string]: unknown }

const BLUE_BUTTON = 'https://bluebutton.cms.gov/resources'
const COINSURANCE = 0.2

/** The Claim of a visit and its ExplanationOfBenefit. */
export function billVisit(visit: Visit, bill: Bill): void {
  const { random, draft, type, end } = visit
  const costs = bill.procedures.map(() => cents(40 + random.next() * 900))
  const total = cents(costs.reduce((sum, cost) => sum + cost, 85.55) + bill.immunizations.length * 136)
  const items = itemsOf(visit, bill, costs)
  const claim = draft.post({
    resourceType: 'Claim', id: random.uuid(), status: 'active', type: claimType(type.kind === 'AMB' ? 'professional' : 'institutional'),
    use: 'claim',
    patient: { ...toEntry(visit.person.id), display: displayName(visit.person) }, billablePeriod: period(visit.start, end),
    created: dateTime(end),
    provider: toOrganization(visit.facility), priority: coded(hl7('processpriority', 'normal', '')), facility: toLocation(visit.facility),
    ...list('supportingInfo',
      bill.immunizations.map(({ id }, at) => ({ sequence: at + 1, category: coded(hl7('claiminformationcategory', 'info', '')),
        valueReference: toEntry(id) }))),
    ...list('diagnosis', bill.conditions.map(({ id }, at) => ({ sequence: at + 1, diagnosisReference: toEntry(id) }))),
    ...list('procedure', bill.procedures.map(({ id }, at) => ({ sequence: at + 1, procedureReference: toEntry(id) }))),
    insurance: insurance(visit), item: items, total: money(decimalOf(total, 2))
  })
  explain(visit, { claim, kind: type.kind === 'AMB' ? 'professional' : 'institutional', total, items, conditions: bill.conditions })
}

/** The pharmacy's Claim of a prescription and its ExplanationOfBenefit. */
export function billPrescription(visit: Visit, request: Billed): void {
  const total = cents(8 + visit.random.next() * 240)
  const items: readonly Item[] = [{ sequence: 1, productOrService: concept(request.code), encounter: [toEntry(visit.encounter)] }]
  const claim = visit.draft.post({
    resourceType: 'Claim', id: visit.random.uuid(), status: 'active', type: claimType('pharmacy'), use: 'claim',
    patient: toEntry(visit.person.id),
    billablePeriod: period(visit.start, visit.end), created: dateTime(visit.end), provider: toOrganization(visit.facility),
    priority: coded(hl7('processpriority', 'normal', '')), prescription: toEntry(request.id), insurance: insurance(visit), item: items,
    total: money(decimalOf(total, 2))
  })
  explain(visit, { claim, kind: 'pharmacy', total, items, conditions: [] })
}

interface Explained {
  readonly claim: string
  readonly kind: string
  readonly total: number
  readonly items: readonly Item[]
  readonly conditions: readonly Billed[]
}

function explain(visit: Visit, { claim, kind, total, items, conditions }: Explained): void {
  const { random, draft, person, clinician } = visit
  const provider = { reference: `Practitioner?identifier=${NPI}|${clinician.npi}` }
  const later = visit.end + 365 * 86_400_000
  draft.post({
    resourceType: 'ExplanationOfBenefit', id: random.uuid(),
    contained: [
      { resourceType: 'ServiceRequest', id: 'referral', status: 'completed', intent: 'order', subject: toEntry(person.id),
        requester: provider, performer: [provider] },
      { resourceType: 'Coverage', id: 'coverage', status: 'active', type: { text: person.payer }, beneficiary: toEntry(person.id),
        payor: [{ display: person.payer }] }
    ],
    identifier: [
      { system: `${BLUE_BUTTON}/variables/clm_id`, value: claim }, { system: `${BLUE_BUTTON}/identifier/claim-group`, value: '99999999999' }
    ],
    status: 'active', type: claimType(kind), use: 'claim', patient: toEntry(person.id), billablePeriod: period(visit.end, later),
    created: dateTime(visit.end),
    insurer: { display: person.payer }, provider, referral: { reference: '#referral' }, facility: toLocation(visit.facility),
    claim: toEntry(claim), outcome: 'complete',
    careTeam: [{ sequence: 1, provider: { ...toClinician(clinician), display: doctorName(clinician) },
      role: coded(hl7('claimcareteamrole', 'primary', 'Primary provider')) }],
    ...list('diagnosis', conditions.map(({ id }, at) => ({ sequence: at + 1, diagnosisReference: toEntry(id),
      type: [coded(hl7('ex-diagnosistype', 'principal', ''))] }))),
    insurance: [{ focal: true, coverage: { reference: '#coverage', display: person.payer } }],
    item: items.map((item) => explainedItem(visit, item)),
    total: [{ category: concept(hl7('adjudication', 'submitted', 'Submitted Amount')), amount: money(decimalOf(total, 2)) }],
    payment: { amount: money(decimalOf(total * (1 - COINSURANCE), 2)) }
  })
}

function itemsOf(visit: Visit, bill: Bill, costs: readonly number[]): readonly Item[] {
  const parts: readonly object[] = [
    { productOrService: concept(visit.type.code), encounter: [toEntry(visit.encounter)] },
    ...bill.immunizations.map(({ code }, at) => ({ informationSequence: [at + 1], productOrService: concept(code),
      net: money(decimalOf(136, 2)) })),
    ...bill.conditions.map(({ code }, at) => ({ diagnosisSequence: [at + 1], productOrService: concept(code) })),
    ...bill.procedures.map(({ code }, at) => ({ procedureSequence: [at + 1], productOrService: concept(code),
      net: money(decimalOf(costs[at]!, 2)) }))
  ]
  return parts.map((part, at) => ({ sequence: at + 1, ...part }))
}

function explainedItem(visit: Visit, item: Item): object {
  const { procedureSequence: _, informationSequence: __, net, ...rest } = item
  return {
    ...rest, category: coded([`${BLUE_BUTTON}/variables/line_cms_type_srvc_cd`, '1', 'Medical care']),
    servicedPeriod: period(visit.start, visit.end),
    locationCodeableConcept: coded(hl7('ex-serviceplace', '19', 'Off Campus-Outpatient Hospital')),
    ...(net === undefined ? {} : { net, adjudication: adjudication(numberOf((net as { value: number | RawJson }).value)) })
  }
}

function adjudication(net: number): readonly object[] {
  const line = (code: string, display: string, amount: number): object =>
    ({ category: coded([`${BLUE_BUTTON}/codesystem/adjudication`, `${BLUE_BUTTON}/variables/${code}`, display]),
      amount: money(decimalOf(amount, 2)) })
  return [
    line('line_coinsrnc_amt', 'Line Beneficiary Coinsurance Amount', net * COINSURANCE),
    line('line_prvdr_pmt_amt', 'Line Provider Payment Amount', net * (1 - COINSURANCE)),
    line('line_sbmtd_chrg_amt', 'Line Submitted Charge Amount', net), line('line_alowd_chrg_amt', 'Line Allowed Charge Amount', net)
  ]
}

const insurance = (visit: Visit): readonly object[] => [{ sequence: 1, focal: true, coverage: { display: visit.person.payer } }]
const claimType = (kind: string): object => coded(hl7('claim-type', kind, ''))
const cents = (amount: number): number => Math.round(amount * 100) / 100

/** An element that is left out when it would be empty. */
const list = (name: string, items: readonly object[]): object => (items.length === 0 ? {} : { [name]: items })
