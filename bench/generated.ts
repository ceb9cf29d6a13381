/** Bundles of the generator, and one patient of the size of Synthea's largest: 11,400 entries and 30 MB in one transaction. */
import { generate } from '../seed/generate.ts'
import { transaction, type Entry } from './resources.ts'

export interface Bundle { readonly type: string; readonly entry: readonly Entry[] }

const SEED = 20_260_601

/** Facilities first, which the patients' bundles refer to. */
export function generated(patients: number): readonly Bundle[] {
  return [...generate({ patients, seed: SEED })].map(({ bundle }) => bundle as unknown as Bundle)
}

export const LARGE_ENTRIES = 11_400
export const LARGE_BYTES = 30_000_000

/**
 * The histories of many made-up patients told of one: their references are turned to the first. Notes are as long as the size asks for.
 * Also the bundles of the facilities that it refers to.
 */
export function largePatient(entries = LARGE_ENTRIES, bytes = LARGE_BYTES): { readonly facilities: readonly Bundle[]; readonly transaction: Buffer } {
  const facilities: Bundle[] = []
  const all: Entry[] = []
  let patient: string | null = null
  for (const { bundle } of generate({ patients: entries, seed: SEED + 1 })) {
    const { type, entry } = bundle as unknown as Bundle
    if (type === 'batch') {
      // One hospital and its people are enough.
      facilities.push({ type, entry })
      continue
    }
    const own = entry.find(({ resource }) => resource.resourceType === 'Patient')!.fullUrl!
    patient ??= own
    const text = JSON.stringify(entry.filter(({ fullUrl }) => fullUrl === patient || fullUrl !== own)).replaceAll(own, patient)
    all.push(...(JSON.parse(text) as Entry[]).slice(0, entries - all.length))
    if (all.length === entries) break
  }
  return { facilities, transaction: Buffer.from(transaction(padded(all, bytes))) }
}

function padded(entries: readonly Entry[], bytes: number): readonly Entry[] {
  const isNote = ({ resource }: Entry): boolean => resource.resourceType === 'DocumentReference'
  const missing = bytes - transaction(entries).length
  const each = Math.floor(missing / entries.filter(isNote).length / 4) * 4
  return each <= 0 ? entries : entries.map((entry) => (isNote(entry) ? { ...entry, resource: longer(entry.resource, each) } : entry))
}

function longer(resource: Entry['resource'], characters: number): Entry['resource'] {
  const { content } = resource as unknown as { content: readonly { attachment: { data?: string } }[] }
  const [first, ...rest] = content
  const data = 'Tm90ZSBh'.repeat(Math.ceil(characters / 8)).slice(0, characters)
  return { ...resource, content: [{ ...first, attachment: { ...first?.attachment, data: `${data}${first?.attachment.data ?? ''}` } }, ...rest] } as Entry['resource']
}
