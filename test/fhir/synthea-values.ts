/** By values: quantities in any unit, composites, codes, names, dates and periods, words, whole expressions. */
import { coded, commonest, female, type Input, list, noon, observed, pointsTo, type Query, someone, start, time, value } from './synthea.ts'
import type { Json } from '../harness.ts'

const UCUM = 'http://unitsofmeasure.org'
const LOINC = 'http://loinc.org'
const SNOMED = 'http://snomed.info/sct'
const CORE = 'http://hl7.org/fhir/us/core/StructureDefinition'
const TERMS = 'http://terminology.hl7.org/CodeSystem'

const unit = (row: Json, code: string): boolean => row.valueQuantity?.code === code
const part = (row: Json, code: string): number => list(row.component).find((one) => coded(one.code, code))?.valueQuantity?.value ?? Number.NaN
const parts = (row: Json, keep: (quantity: Json) => boolean): boolean => list(row.component).some(({ valueQuantity }) => valueQuantity !== undefined && keep(valueQuantity))
const starts = (text: unknown, with_: string): boolean => typeof text === 'string' && text.toLowerCase().startsWith(with_)
const until = (period: Json): number => (period.end === undefined ? Number.POSITIVE_INFINITY : time(period.end))
const during = ({ start: from, end }: Json, first: string, after: string): boolean => time(from) >= noon(first) && end !== undefined && time(end) < noon(after)
const displays = (value_: Json): readonly string[] => list(value_).flatMap((one) => [one.text, ...list(one.coding).map(({ display }) => display)]).filter((text) => typeof text === 'string')
const born = (row: Json, from: string, to: string): boolean => row.birthDate >= from && row.birthDate < to
const vaccine = ({ of }: Input): string => commonest(of('Immunization'), ({ vaccineCode }) => vaccineCode)
const label = ({ of }: Input): Json => of('Patient')[4]!.identifier.find(({ type }: Json) => coded(type, 'MR'))

export const QUANTITIES: readonly Query[] = [
  ['weights over 80 kg', () => `Observation?code=29463-7&value-quantity=gt80|${UCUM}|kg`, (row) => coded(row.code, '29463-7') && value(row) > 80],
  ['the same in grams', () => `Observation?code=29463-7&value-quantity=gt80000|${UCUM}|g`, (row) => coded(row.code, '29463-7') && value(row) > 80],
  ['the same in pounds', () => `Observation?code=29463-7&value-quantity=lt100|${UCUM}|[lb_av]`, (row) => coded(row.code, '29463-7') && value(row) < 45.359237],
  ['heights under a metre and a half', () => `Observation?code=8302-2&value-quantity=lt1.5|${UCUM}|m`, (row) => coded(row.code, '8302-2') && value(row) < 150],
  ['heights by inches', () => `Observation?code=8302-2&value-quantity=ge60|${UCUM}|[in_i]`, (row) => coded(row.code, '8302-2') && value(row) >= 152.4],
  ['fever, in Fahrenheit', () => `Observation?code=8310-5&value-quantity=gt99|${UCUM}|[degF]`, (row) => coded(row.code, '8310-5') && value(row) * 9 / 5 + 32 > 99],
  ['fever, in kelvin', () => `Observation?code=8310-5&value-quantity=gt310.2|${UCUM}|K`, (row) => coded(row.code, '8310-5') && value(row) + 273.15 > 310.2],
  ['glucose in grams a litre', () => `Observation?code=2339-0&value-quantity=gt0.8|${UCUM}|g/L`, (row) => coded(row.code, '2339-0') && value(row) / 100 > 0.8],
  ['any lengths, whatever their code', () => `Observation?value-quantity=ge1|${UCUM}|m`, (row) => unit(row, 'cm') && value(row) >= 100],
  ['by the unit\'s code alone', () => 'Observation?value-quantity=gt25||kg/m2', (row) => unit(row, 'kg/m2') && value(row) > 25],
  ['pulses of about 80', () => `Observation?code=8867-4&value-quantity=ap80|${UCUM}|/min`, (row) => coded(row.code, '8867-4') && value(row) >= 72 && value(row) <= 88],
  ['by the precision asked: 70', () => `Observation?code=8867-4&value-quantity=70|${UCUM}|/min`, (row) => coded(row.code, '8867-4') && value(row) >= 69.5 && value(row) < 70.5],
  ['by the precision asked: 1e2', () => 'Observation?code=8867-4&value-quantity=1e2', (row) => coded(row.code, '8867-4') && value(row) >= 95 && value(row) < 105],
  ['all but one value', () => 'Observation?code=72514-3&value-quantity=ne2', (row) => coded(row.code, '72514-3') && !(value(row) >= 1.5 && value(row) < 2.5)],
  ['between two limits', () => 'Observation?code=39156-5&value-quantity=ge18.5&value-quantity=lt25', (row) => coded(row.code, '39156-5') && value(row) >= 18.5 && value(row) < 25],
  ['under or over limits', () => 'Observation?code=39156-5&value-quantity=lt18.5,ge30', (row) => coded(row.code, '39156-5') && (value(row) < 18.5 || value(row) >= 30)],
  ['in a unit of another kind (none)', () => `Observation?code=29463-7&value-quantity=gt1|${UCUM}|m`, () => false],
  ['with a number', () => 'Observation?category=survey&value-quantity:missing=false', (row) => coded(row.category, 'survey') && row.valueQuantity !== undefined],
  ['without one', () => 'Observation?category=laboratory&value-quantity:missing=true', (row) => coded(row.category, 'laboratory') && row.valueQuantity === undefined]
]

export const COMPOSITES: readonly Query[] = [
  ['diastolic under 80', () => `Observation?component-code-value-quantity=${LOINC}|8462-4$lt80`, (row) => part(row, '8462-4') < 80],
  ['both parts high', () => 'Observation?component-code-value-quantity=8480-6$ge130&component-code-value-quantity=8462-4$ge85', (row) => part(row, '8480-6') >= 130 && part(row, '8462-4') >= 85],
  ['either part high', () => 'Observation?component-code-value-quantity=8480-6$ge140,8462-4$ge90', (row) => part(row, '8480-6') >= 140 || part(row, '8462-4') >= 90],
  ['a part in kilopascal', () => `Observation?component-code-value-quantity=8480-6$gt17|${UCUM}|kPa`, (row) => part(row, '8480-6') * 0.133322387415 > 17],
  ['a part with the other\'s value', () => 'Observation?component-code=8462-4&component-value-quantity=gt130', (row) => !Number.isNaN(part(row, '8462-4')) && parts(row, ({ value: number }) => number > 130)],
  ['no single part so (none)', () => 'Observation?component-code-value-quantity=8462-4$gt200', (row) => part(row, '8462-4') > 200],
  ['body mass index by a composite', () => `Observation?code-value-quantity=${LOINC}|39156-5$ge30|${UCUM}|kg/m2`, (row) => coded(row.code, '39156-5') && value(row) >= 30],
  ['a value or a part', () => 'Observation?combo-code-value-quantity=8480-6$gt120,8867-4$gt90', (row) => part(row, '8480-6') > 120 || (coded(row.code, '8867-4') && value(row) > 90)],
  ['by any code', () => 'Observation?combo-code=8480-6,39156-5', (row) => coded(row.code, '39156-5') || !Number.isNaN(part(row, '8480-6'))],
  ['never smoked', () => `Observation?code-value-concept=72166-2$${SNOMED}|266919005`, (row) => coded(row.code, '72166-2') && coded(row.valueCodeableConcept, '266919005')],
  ['smoked', () => 'Observation?code=72166-2&value-concept:not=266919005', (row) => coded(row.code, '72166-2') && !coded(row.valueCodeableConcept, '266919005')],
  ['a code with a date as value (none)', () => 'Observation?code-value-date=8867-4$ge2024', () => false]
]

export const CODES: readonly Query[] = [
  ['by system alone', () => `Condition?code=${SNOMED}|`, (row) => list(row.code.coding).some(({ system }) => system === SNOMED)],
  ['by a code of another system (none)', () => `Observation?code=${SNOMED}|8867-4`, () => false],
  ['by the text of a code', () => 'Condition?code:text=acute', (row) => displays(row.code).some((text) => starts(text, 'acute'))],
  ['by the text of a drug', () => 'MedicationRequest?code:text=lisinopril', (row) => displays(row.medicationCodeableConcept).some((text) => starts(text, 'lisinopril'))],
  ['not final (none)', () => 'Observation?status:not=final', ({ status }) => status !== 'final'],
  ['prescriptions that were not stopped', () => 'MedicationRequest?status:not=stopped', ({ status }) => status !== 'stopped'],
  ['neither of two codes', () => `Observation?category=survey&code:not=${LOINC}|72514-3`, (row) => coded(row.category, 'survey') && !coded(row.code, '72514-3')],
  ['not of a category', () => 'Observation?category:not=vital-signs,laboratory', (row) => !coded(row.category, 'vital-signs') && !coded(row.category, 'laboratory')],
  ['laboratory reports', () => `DiagnosticReport?category=${TERMS}/v2-0074|LAB`, (row) => coded(row.category, 'LAB')],
  ['of a category and not a code', () => 'DiagnosticReport?category=LAB&code:not=57698-3', (row) => coded(row.category, 'LAB') && !coded(row.code, '57698-3')],
  ['vaccinations', (i) => `Immunization?vaccine-code=http://hl7.org/fhir/sid/cvx|${vaccine(i)}&status=completed`, (row, i) => coded(row.vaccineCode, vaccine(i)) && row.status === 'completed'],
  ['all other vaccinations', (i) => `Immunization?vaccine-code:not=${vaccine(i)}`, (row, i) => !coded(row.vaccineCode, vaccine(i))],
  ['drugs of a class', () => 'MedicationRequest?code=http://www.nlm.nih.gov/research/umls/rxnorm|314076,http://www.nlm.nih.gov/research/umls/rxnorm|310798', (row) => coded(row.medicationCodeableConcept, '314076', '310798')],
  ['allergies of a kind', () => 'AllergyIntolerance?category=environment&criticality=low', (row) => row.category.includes('environment') && row.criticality === 'low'],
  ['food allergies', () => 'AllergyIntolerance?category=food&type=allergy', (row) => row.category.includes('food') && row.type === 'allergy'],
  ['emergencies', () => `Encounter?class=${TERMS}/v3-ActCode|EMER`, (row) => row.class.code === 'EMER'],
  ['by reason', () => 'Encounter?reason-code=195662009,444814009', (row) => coded(row.reasonCode, '195662009', '444814009')],
  ['without a reason', () => 'Encounter?reason-code:missing=true', (row) => row.reasonCode === undefined],
  ['of a kind, with a reason', () => 'Encounter?type=185345009&reason-code:missing=false', (row) => coded(row.type, '185345009') && row.reasonCode !== undefined],
  ['superseded notes', () => 'DocumentReference?status=superseded&type=51847-2', (row) => row.status === 'superseded' && coded(row.type, '51847-2')],
  ['care plans that go on', () => 'CarePlan?status=active&category=assess-plan', (row) => row.status === 'active' && coded(row.category, 'assess-plan')],
  ['benefits of a year by what they are for', () => 'ExplanationOfBenefit?created=2025&status=active', ({ created, status }) => new Date(created).toISOString().startsWith('2025') && status === 'active'],
  ['pictures by modality and part', () => 'ImagingStudy?modality=DX&bodysite=700016008', (row) => list(row.series).some((one) => one.modality.code === 'DX')],
  ['devices of a type', () => 'Device?type=337414009', (row) => coded(row.type, '337414009')],
  ['by profile', () => `Observation?_profile=${CORE}/us-core-bmi`, (row) => row.meta?.profile?.includes(`${CORE}/us-core-bmi`)],
  ['by profiles below a URL', () => `Condition?_profile:below=${CORE}`, (row) => row.meta?.profile?.some((url: string) => url.startsWith(`${CORE}/`))],
  ['without a profile', () => 'Observation?_profile:missing=true', (row) => row.meta?.profile === undefined],
  ['by ids', ({ of }) => `Condition?_id=${[3, 5, 8].map((at) => of('Condition')[at]!.id)}`, (row, { of }) => [3, 5, 8].some((at) => of('Condition')[at]!.id === row.id)],
  ['none of these ids', ({ of }) => `Patient?_id:not=${[0, 1, 2].map((at) => of('Patient')[at]!.id)}`, (row, { of }) => of('Patient').indexOf(row) > 2]
]

export const PEOPLE: readonly Query[] = [
  ['by record number and its type', (i) => `Patient?identifier:of-type=${TERMS}/v2-0203|MR|${label(i).value}`, (row, i) => row.identifier.some((one: Json) => coded(one.type, 'MR') && one.value === label(i).value)],
  ['by another type of number (none)', (i) => `Patient?identifier:of-type=${TERMS}/v2-0203|DL|${label(i).value}`, () => false],
  ['with a number of a system', () => 'Patient?identifier=urn:oid:2.16.840.1.113883.4.3.25|', (row) => row.identifier.some(({ system }: Json) => system === 'urn:oid:2.16.840.1.113883.4.3.25')],
  ['by letters within the name', () => 'Patient?name:contains=an', (row) => row.name.some((name: Json) => [name.family, ...list(name.given), ...list(name.prefix)].some((text) => text.toLowerCase().includes('an')))],
  ['by the start of a given name, in capitals', ({ of }) => `Patient?given=${of('Patient')[5]!.name[0].given[0].slice(0, 4).toUpperCase()}`, (row, { of }) => row.name.some(({ given }: Json) => given.some((text: string) => starts(text, of('Patient')[5]!.name[0].given[0].slice(0, 4).toLowerCase())))],
  ['by an exact name in the wrong case (none)', ({ of }) => `Patient?family:exact=${of('Patient')[5]!.name[0].family.toUpperCase()}`, () => false],
  ['by phone', ({ of }) => `Patient?phone=${of('Patient')[2]!.telecom[0].value}`, (row, { of }) => row.telecom[0].value === of('Patient')[2]!.telecom[0].value],
  ['by language', () => 'Patient?language=es', (row) => row.communication.some(({ language }: Json) => coded(language, 'es'))],
  ['not known to have died', () => 'Patient?deceased=false', ({ deceasedDateTime }) => deceasedDateTime === undefined],
  ['without a death', () => 'Patient?death-date:missing=true&gender=male', (row) => row.gender === 'male' && row.deceasedDateTime === undefined],
  ['who died in the seventies', () => 'Patient?death-date=ge1970&death-date=lt1980', (row) => row.deceasedDateTime >= '1970' && row.deceasedDateTime < '1980'],
  ['born in a month', ({ of }) => `Patient?birthdate=${of('Patient')[0]!.birthDate.slice(0, 7)}`, (row, { of }) => row.birthDate.startsWith(of('Patient')[0]!.birthDate.slice(0, 7))],
  ['born before or after', () => 'Patient?birthdate=lt1970,ge2019', (row) => row.birthDate < '1970' || row.birthDate >= '2019'],
  ['women born in the sixties or seventies', () => 'Patient?gender=female&birthdate=ge1960&birthdate=lt1980', (row) => female(row) && born(row, '1960', '1980')],
  ['in a city or another', () => 'Patient?address-city=boston,lowell', (row) => row.address.some(({ city }: Json) => starts(city, 'boston') || starts(city, 'lowell'))],
  ['by letters in any part of an address', () => 'Patient?address:contains=ro', (row) => row.address.some((one: Json) => [...one.line, one.city, one.state, one.postalCode, one.country].some((text) => text?.toLowerCase().includes('ro')))],
  ['practitioners who are women, by state', () => 'Practitioner?gender=female&address-state=MA', (row) => female(row) && row.address.some(({ state }: Json) => state === 'MA')],
  ['a practitioner by address of mail', ({ of }) => `Practitioner?email=${of('Practitioner')[7]!.telecom[0].value}`, (row, { of }) => row.telecom.some(({ value: text }: Json) => text === of('Practitioner')[7]!.telecom[0].value)],
  ['a role by whom it names by number', ({ of }) => `PractitionerRole?practitioner:identifier=http://hl7.org/fhir/sid/us-npi|${of('Practitioner')[4]!.identifier[0].value}`, (row, { of }) => row.practitioner.identifier.value === of('Practitioner')[4]!.identifier[0].value],
  ['places of an organization by number', ({ of }) => `Location?organization:identifier=${of('Organization')[6]!.identifier[0].value}`, (row, { of }) => row.managingOrganization?.identifier?.value === of('Organization')[6]!.identifier[0].value],
  ['places near Boston', () => 'Location?near=42.36|-71.06|15|km', ({ position }) => position !== undefined && kilometres(position, 42.36, -71.06) <= 15],
  ['places within a few miles', () => 'Location?near=42.36|-71.06|5|[mi_us]', ({ position }) => position !== undefined && kilometres(position, 42.36, -71.06) <= 5 * 1.609347]
]

function kilometres({ latitude, longitude }: Json, lat: number, lon: number): number {
  const [a, b, c] = [latitude, lat, longitude - lon].map((degrees) => degrees * Math.PI / 180) as [number, number, number]
  return 6371.0088 * Math.acos(Math.min(1, Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(c)))
}

export const TIMES: readonly Query[] = [
  ['values of a quarter', () => 'Observation?date=ge2024-04&date=lt2024-07&category=vital-signs', (row) => coded(row.category, 'vital-signs') && start(row) >= noon('2024-04-01') && start(row) < noon('2024-07-01')],
  ['values of one day', ({ of }) => `Observation?date=${of('Observation')[0]!.effectiveDateTime.slice(0, 10)}`, (row, { of }) => new Date(start(row)).toISOString().slice(0, 10) === new Date(start(of('Observation')[0]!)).toISOString().slice(0, 10)],
  ['values of one second', ({ of }) => `Observation?date=${encodeURIComponent(of('Observation')[0]!.effectiveDateTime)}`, (row, { of }) => start(row) === start(of('Observation')[0]!)],
  ['the same second in another zone', ({ of }) => `Observation?date=${encodeURIComponent(new Date(start(of('Observation')[0]!) - 5 * 3_600_000).toISOString().replace('.000Z', '-05:00'))}`, (row, { of }) => start(row) === start(of('Observation')[0]!)],
  ['not of a year', () => 'Observation?date=ne2024&code=8867-4', (row) => coded(row.code, '8867-4') && !row.effectiveDateTime.startsWith('2024')],
  ['after a year', () => 'Condition?onset-date=sa2024', (row) => start(row) >= noon('2025-01-01')],
  ['before a year', () => 'Condition?onset-date=eb1990', (row) => start(row) < noon('1990-01-01')],
  ['ended within a year', () => 'Condition?abatement-date=2025', (row) => row.abatementDateTime?.startsWith('2025')],
  ['begun and not ended', () => 'Condition?onset-date=ge2020&abatement-date:missing=true', (row) => start(row) >= noon('2020-01-01') && row.abatementDateTime === undefined],
  ['recorded in spring', () => 'Condition?recorded-date=ge2024-03-01&recorded-date=lt2024-06-01', (row) => time(row.recordedDate) >= noon('2024-03-01') && time(row.recordedDate) < noon('2024-06-01')],
  ['encounters within a month', () => 'Encounter?date=2025-01,2025-02,2025-03', ({ period }) => during(period, '2025-01-01', '2025-04-01')],
  ['encounters that had ended', () => 'Encounter?date=eb2000', ({ period }) => until(period) < noon('2000-01-01')],
  ['encounters to come after', () => 'Encounter?date=sa2025-06', ({ period }) => time(period.start) >= noon('2025-07-01')],
  ['care plans that had begun and not ended', () => 'CarePlan?date=lt2000&date=gt2020', ({ period }) => time(period.start) < noon('2000-01-01') && until(period) >= noon('2021-01-01')],
  ['care plans within two years', () => 'CarePlan?date=ge2024&date=lt2025', ({ period }) => until(period) >= noon('2024-01-01') && time(period.start) < noon('2025-01-01')],
  ['care plans of a past time', () => 'CarePlan?date=eb2026', ({ period }) => until(period) < noon('2026-01-01')],
  ['care teams that had begun', () => 'CareTeam?date=lt1970', ({ period }) => time(period.start) < noon('1970-01-01')],
  ['procedures of a half year', () => 'Procedure?date=ge2025-01-01&date=le2025-06-30', ({ performedPeriod }) => until(performedPeriod) >= noon('2025-01-01') && time(performedPeriod.start) < noon('2025-07-01')],
  ['prescriptions since', () => 'MedicationRequest?authoredon=ge2024&intent=order', (row) => start(row) >= noon('2024-01-01') && row.intent === 'order'],
  ['vaccinations of winters', () => 'Immunization?date=2024-01,2024-12,2025-01', ({ occurrenceDateTime }) => ['2024-01', '2024-12', '2025-01'].some((month) => new Date(occurrenceDateTime).toISOString().startsWith(month))],
  ['claims made on or after', () => 'Claim?created=ge2025-03-01', ({ created }) => time(created) >= noon('2025-03-01')],
  ['reports issued', () => 'DiagnosticReport?issued=2024&category=LAB', (row) => coded(row.category, 'LAB') && new Date(row.issued).toISOString().startsWith('2024')],
  ['notes by their time', () => 'DocumentReference?date=ge2025&date=lt2026&period=2025', ({ context, date }) => new Date(date).toISOString().startsWith('2025') && during(context.period, '2025-01-01', '2026-01-01')],
  ['stored before today began (none)', () => 'Observation?_lastUpdated=lt2020', () => false],
  ['stored since', () => 'Patient?_lastUpdated=ge2020', () => true],
  ['pictures of a year', () => 'ImagingStudy?started=2024', ({ started }) => new Date(started).toISOString().startsWith('2024')]
]

const content = (row: Json): string => JSON.stringify(row).toLowerCase()

export const EXPRESSIONS: readonly Query[] = [
  ['pulses over a limit', () => `Observation?_filter=${encodeURIComponent('code eq 8867-4 and value-quantity gt 90')}`, (row) => coded(row.code, '8867-4') && value(row) > 90],
  ['one or the other, and since', () => `Observation?_filter=${encodeURIComponent('(code eq 39156-5 or code eq 8302-2) and date ge 2025-01-01')}`, (row) => coded(row.code, '39156-5', '8302-2') && start(row) >= noon('2025-01-01')],
  ['not so', () => `Condition?_filter=${encodeURIComponent('not (clinical-status eq active)')}`, (row) => !coded(row.clinicalStatus, 'active')],
  ['women, or born late', () => `Patient?_filter=${encodeURIComponent('gender eq female or birthdate ge 2019-01-01')}`, (row) => female(row) || row.birthDate >= '2019'],
  ['by what a name holds', () => `Practitioner?_filter=${encodeURIComponent('family co "son"')}`, (row) => row.name.some(({ family }: Json) => family.toLowerCase().includes('son'))],
  ['by how a name ends', () => `Organization?_filter=${encodeURIComponent('name ew "clinic"')}`, ({ name }) => name.toLowerCase().endsWith('clinic')],
  ['by a reference', (i) => `Observation?_filter=${encodeURIComponent(`subject re "${someone(i)}" and code eq ${observed(i)}`)}`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.code, observed(i))],
  ['by a chain', () => `Condition?_filter=${encodeURIComponent('subject:Patient.gender eq female and clinical-status eq active')}`, (row, { to }) => female(to(row.subject)) && coded(row.clinicalStatus, 'active')],
  ['that is there', () => `Encounter?_filter=${encodeURIComponent('reason-code pr true and class eq AMB')}`, (row) => row.reasonCode !== undefined && row.class.code === 'AMB'],
  ['that is not there', () => `MedicationRequest?_filter=${encodeURIComponent('medication pr false')}`, ({ medicationReference }) => medicationReference === undefined],
  ['a filter and a parameter', () => `Observation?category=laboratory&_filter=${encodeURIComponent('value-quantity gt 100 or value-quantity lt 1')}`, (row) => coded(row.category, 'laboratory') && (value(row) > 100 || value(row) < 1)],
  ['words anywhere', () => 'Condition?_content=sinusitis', (row) => content(row).includes('sinusitis')],
  ['a word and not another', () => 'Procedure?_content=dental%20not%20radiography', (row) => /\bdental\b/.test(content(row)) && !/\bradiography\b/.test(content(row))],
  ['a phrase', () => 'Immunization?_content=%22influenza,%20seasonal%22', (row) => /influenza\W+seasonal/.test(content(row))],
  ['words of a narrative', () => 'CarePlan?_text=education', (row) => /\beducation\b/i.test(row.text.div)]
]
