/** Synthetic patients as they are in the input files, with plain references, and small words to ask them by: nothing of the server's search is in here. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Harness, Json } from '../harness.ts'

export interface Input {
  readonly rows: readonly Json[]
  of(type: string): readonly Json[]
  /** The row that a reference names. */
  to(reference: Json): Json | undefined
}

/** All files but those over `bytesMax`; the places and people that they name, as the files name them, first. */
export function readSynthea(dir: string, bytesMax: number): Input {
  const files = readdirSync(dir).filter((name) => name.endsWith('.json')).map((name) => readFileSync(join(dir, name), 'utf8')).filter((text) => text.length <= bytesMax)
  const entries: readonly Json[] = files.flatMap((text) => JSON.parse(text).entry)
  const places = new Map<string, string>()
  for (const { fullUrl, resource } of entries) {
    const place = `${resource.resourceType}/${resource.id}`
    places.set(fullUrl, place)
    for (const { system, value } of resource.identifier ?? []) places.set(`${resource.resourceType}?identifier=${system}|${value}`, place)
  }
  const linked = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(linked)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, name === 'reference' && typeof item === 'string' ? places.get(item) ?? item : linked(item)]))
  }
  return inputOf(entries.map(({ resource }) => linked(resource)))
}

function inputOf(rows: readonly Json[]): Input {
  const byPlace = new Map(rows.map((row) => [`${row.resourceType}/${row.id}`, row]))
  const byType = Map.groupBy(rows, ({ resourceType }) => resourceType as string)
  return { rows, of: (type) => byType.get(type) ?? [], to: (reference) => byPlace.get(reference?.reference) }
}

/** With rows that are made from those of the input. */
export const withRows = (input: Input, make: (input: Input) => readonly Json[]): Input => inputOf([...input.rows, ...make(input)])

export async function loadSynthea(server: Harness, token: string, rows: readonly Json[]): Promise<void> {
  for (let from = 0; from < rows.length; from += 800) {
    const entry = rows.slice(from, from + 800).map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }))
    const reply = await server.ask(token, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } })
    if (reply.status !== 200) throw new Error(`The input was not stored: ${reply.text.slice(0, 500)}`)
  }
}

export const list = (value: Json): readonly Json[] => (Array.isArray(value) ? value : value === undefined ? [] : [value])
/** Whether a CodeableConcept, Coding or list of them has the code. */
export const coded = (value: Json, ...codes: readonly string[]): boolean => list(value).some((one) => list(one.coding ?? one).some((coding) => codes.includes(coding.code)))
export const pointsTo = (value: Json, place: string): boolean => list(value).some(({ reference }) => reference === place)
export const time = (text: string): number => Date.parse(text)
/** The code that most rows have. */
export function commonest(rows: readonly Json[], codeOf: (row: Json) => Json, rank = 0): string {
  const counts = new Map<string, number>()
  for (const row of rows) for (const { code } of list(codeOf(row)?.coding)) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[rank]![0]
}

/** A search, and by what a plain loop over the input keeps its matches. `(none)` at the end of a name: that there are none is the point. */
export type Query = readonly [what: string, path: (input: Input) => string, keep: (row: Json, input: Input) => boolean]

/** Once for each input: the conditions below ask for each row. */
function once<T>(make: (input: Input) => T): (input: Input) => T {
  const made = new WeakMap<Input, { readonly value: T }>()
  return (input) => {
    let found = made.get(input)
    if (found === undefined) made.set(input, (found = { value: make(input) }))
    return found.value
  }
}

/** The patient with most prescriptions. */
export const someone = once(({ of }) => {
  const prescribed = (id: string): number => of('MedicationRequest').filter(({ subject }) => subject.reference === `Patient/${id}`).length
  const [first] = of('Patient').map(({ id }): readonly [number, string] => [prescribed(id), id]).sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? -1 : 1))
  return `Patient/${first![1]}`
})
export const observed = ({ of }: Input, rank = 0): string => commonest(of('Observation'), ({ code }) => code, rank)
export const condition = ({ of }: Input, rank = 0): string => commonest(of('Condition'), ({ code }) => code, rank)
export const doctor = ({ of }: Input): string => list(of('Encounter')[3]!.participant)[0].individual.reference
export const hospital = ({ of }: Input): Json => of('Organization').find(({ id }) => of('Encounter').some(({ serviceProvider }) => serviceProvider?.reference === `Organization/${id}`))!
export const start = (row: Json): number => time(row.effectiveDateTime ?? row.onsetDateTime ?? row.authoredOn ?? row.period?.start ?? row.performedPeriod?.start)
export const value = (row: Json): number => row.valueQuantity?.value ?? Number.NaN
export const female = (row: Json | undefined): boolean => row?.gender === 'female'
export const noon = (text: string): number => time(`${text}T00:00:00Z`)
export const rowsFor = (input: Input, type: string, patient: Json, keep: (row: Json) => boolean): boolean => input.of(type).some((row) => pointsTo(row.subject ?? row.patient, `Patient/${patient.id}`) && keep(row))
