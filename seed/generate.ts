/**
 * Made-up patients in the form of Synthea's output, from a small vocabulary of our own. The same arguments give the same bytes.
 *
 *   node seed/generate.ts --patients 100 --seed 7 --out ./generated
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { facility, facilityCount, hospitalBundle, practitionerBundle, type Facility } from './generator/facilities.ts'
import { makeRandom } from './generator/random.ts'
import type { SeedBundle } from './generator/parts.ts'
import { patientBundle, type Size } from './generator/patient.ts'

export interface GenerateOptions {
  /** How many patients, 0 or more. */
  readonly patients: number
  /** Any whole number. */
  readonly seed: number
  /** The day that counts as today, YYYY-MM-DD: all history lies in the three years before it. Default 2026-06-01. */
  readonly date?: string
  /** `full`: about 100 to 300 resources a patient; `small`: about 20. Default full. */
  readonly size?: Size
}

export interface NamedBundle {
  /** File name, `.json` included. */
  readonly name: string
  readonly bundle: SeedBundle
}

export const DATE_DEFAULT = '2026-06-01'

/**
 * The hospitals' batch, the practitioners' batch, then one transaction per patient, made one at a time. A patient's bundle is the same
 * however many come after it. Some numbers are RawJson (1.10 stays 1.10): write bundles with JSON.stringify, never through structuredClone.
 */
export function* generate({ patients, seed, date = DATE_DEFAULT, size = 'full' }: GenerateOptions): Generator<NamedBundle, void, void> {
  const now = Date.parse(`${date}T00:00:00Z`)
  if (!Number.isFinite(now)) throw new Error('the date must be like 2026-06-01')
  const facilities = Array.from({ length: facilityCount(patients) }, (_, at) => facility(seed, at))
  yield { name: `hospitalInformation${now}.json`, bundle: hospitalBundle(facilities) }
  yield { name: `practitionerInformation${now}.json`, bundle: practitionerBundle(facilities) }
  for (let number = 0; number < patients; number++) {
    const { person, bundle } = patientBundle(`${seed}/${date}/${size}/patient/${number}`, homeOf(facilities, seed, number), now, size)
    yield { name: `${plain(person.given)}_${plain(person.family)}_${person.id}.json`, bundle }
  }
}

/** Only facilities that exist whenever this patient does. */
const homeOf = (facilities: readonly Facility[], seed: number, number: number): Facility =>
  makeRandom(`${seed}/home/${number}`).pick(facilities.slice(0, facilityCount(number)))

const plain = (name: string): string => name.normalize('NFD').replace(/[^A-Za-z0-9]/g, '')

async function main(argv: readonly string[]): Promise<void> {
  const command = new Command('generate').description('write made-up patients as Synthea-shaped bundles')
    .requiredOption('--patients <count>', 'how many patients', wholeOf)
    .option('--seed <number>', 'another number, other patients', wholeOf, 1)
    .option('--date <day>', 'the day that counts as today', dayOf, DATE_DEFAULT)
    .option('--small', 'about 20 resources a patient instead of 100 to 300', false)
    .option('--out <directory>', 'where the files go', './generated')
    .allowExcessArguments(false)
    .parse(argv)
  const asked = command.opts<{ patients: number; seed: number; date: string; small: boolean; out: string }>()
  await mkdir(asked.out, { recursive: true })
  for (const { name, bundle } of generate({ ...asked, size: asked.small ? 'small' : 'full' })) await writeFile(join(asked.out, name),
    JSON.stringify(bundle))
}

function wholeOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

function dayOf(text: string): string {
  const known = /^\d{4}-\d{2}-\d{2}$/.test(text) && Number.isFinite(Date.parse(`${text}T00:00:00Z`))
  if (!known) throw new InvalidArgumentError('It is like 2026-06-01.')
  return text
}

if (process.argv[1] === import.meta.filename) await main(process.argv)
