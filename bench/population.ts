/** Patients that are looked for by name: as many of each name in a hundred, however many there are. */
import { type Entry, patient, transaction } from './resources.ts'

/** Some begin alike, so that a prefix of three letters finds some of another name too. */
const BEGINNINGS: readonly string[] = ['Alder', 'Barn', 'Barl', 'Carm', 'Dolan', 'Ester', 'Fair', 'Green', 'Hather', 'Inger', 'Kings', 'Lind', 'Marl', 'Mart', 'Norm', 'Oster', 'Peter', 'Rosen', 'Stan', 'Wolf']
const ENDINGS: readonly string[] = ['berg', 'bury', 'by', 'dale', 'feld', 'ford', 'gate', 'ham', 'ley', 'low', 'man', 'mere', 'ridge', 'son', 'stead', 'thorpe', 'ton', 'well', 'wick', 'worth']

const PATIENTS_AT_ONCE = 5_000

/** A twentieth of every population has a family name with any of the beginnings; the name of patient `n` is that of `n + 400`. */
export function* populationBundles(patients: number): Generator<string> {
  for (let start = 0; start < patients; start += PATIENTS_AT_ONCE) {
    yield transaction(Array.from({ length: Math.min(PATIENTS_AT_ONCE, patients - start) }, (_, i) => named(start + i)))
  }
}

export const NAME_HITS = 20

/** First pages of twenty, one for each beginning. */
export const namePaths = (): readonly string[] => BEGINNINGS.map((family) => `/fhir/R4/Patient?family=${family}&_count=${NAME_HITS}`)

function named(n: number): Entry {
  const family = `${BEGINNINGS[n % 20]!}${ENDINGS[Math.floor(n / 20) % 20]!}`
  const { name: [name], ...rest } = patient(n)
  return { resource: { ...rest, name: [{ ...name, family }] }, request: { method: 'PUT', url: `Patient/${rest.id}` } }
}
