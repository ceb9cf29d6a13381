/**
 * Gives every live record the terms that today's definitions ask for, while servers go on (docs/adr/0009). Versions, times, bytes and histories stay as they are.
 * How far it came is written down with each batch: after an interruption it goes on there.
 */
import { createHash } from 'node:crypto'
import { allTermsText } from '../search/index-levels.ts'
import { baseDigest, type Building, indexDocument, type IndexContent, ownDefinitions } from './index-state.ts'
import { type Committed, type Key, type Stored, StoreUnavailable } from './ports.ts'
import type { SealedStoreOptions } from './sealed-options.ts'
import { storedTerms } from './stored-terms.ts'

export interface ReindexOptions extends SealedStoreOptions {
  /** Of this program: another one may make other terms of the same definitions. */
  readonly release: string
  /** `share` of all records is done, 0 to 1, by the place of the last key among all keys. */
  readonly progress: (share: number) => void
}

export interface Reindexed {
  /** Live records that were looked at by this run. */
  readonly records: number
  /** Parameters of packages that the index serves from now on, each on one type. */
  readonly parameters: number
  /** It went on where another run had stopped. */
  readonly resumed: boolean
  /** Types with a record that holds more than the index takes: their packages' parameters stay confirmed after opening. */
  readonly unfit: readonly string[]
}

const RECORDS_AT_ONCE = 100
/** Sealed bytes of the records of one commit, but for a single larger one. */
const BYTES_AT_ONCE = 8 * 2 ** 20
const TRIES_MAX = 50

/** Throws an Error of one line where it cannot go on: another run took over, or a server wrote that knows other packages or another base. */
export async function reindex(options: ReindexOptions): Promise<Reindexed> {
  const { ring, records, base, random, progress } = options
  const document = indexDocument(options)
  const own = ownDefinitions(base)
  const run = Buffer.from(random(8)).toString('hex')
  const { building: begun, resumed } = await begin(options, own.map(({ definition }) => definition), run)
  ring.recheck()
  await ring.refresh()
  let building = begun
  let [looked, tries, size] = [0, 0, RECORDS_AT_ONCE]
  for (;;) {
    const page = withinBytes(await records.scan(building.through === '' ? null : keyOf(building.through), size))
    const last = page.at(-1)
    if (last === undefined) break
    const { version, content } = await document.read()
    requireOwn(content, building)
    const batch = await storedTerms(options, page, (patient) => ring.patientKey(patient))
    const struck = own.filter(({ type, definition }) => batch.unfit.has(type) && building.definitions.includes(definition)).map(({ definition }) => definition)
    const next: Building = {
      ...building, through: Buffer.from(last.key).toString('hex'),
      definitions: building.definitions.filter((each) => !struck.includes(each)), unfit: [...building.unfit, ...struck]
    }
    const result: Committed = await records.commit({
      id: random(16), expect: [], expectDocuments: [ring.generation(), ...batch.expectDocuments], puts: [], rewrites: [], terms: batch.puts, erase: [],
      documents: [document.put(version, { ...content, building: next })], outbox: []
    })
    if (result.kind === 'done') {
      building = next
      looked += batch.puts.length
      ;[tries, size] = [0, Math.min(RECORDS_AT_ONCE, size * 2)]
      progress(shareOf(last.key))
    } else {
      // A record that is written again and again holds up no more than itself.
      if (++tries > TRIES_MAX) throw new StoreUnavailable('Records are written faster than they can be indexed: run reindex again')
      size = Math.max(1, Math.floor(size / 4))
      ring.recheck()
    }
    await ring.refresh()
  }
  await document.change((content) => {
    requireOwn(content, building)
    return { ...content, whole: building.definitions, building: null }
  })
  progress(1)
  return { records: looked, parameters: building.definitions.length, resumed, unfit: [...new Set(own.filter(({ definition }) => building.unfit.includes(definition)).map(({ type }) => type))] }
}

/**
 * Promises the definitions of this process. The key generation rises in the same commit: what others seal under the one before is refused, and whoever does not
 * write these terms strikes them before its next commit.
 */
async function begin({ ring, records, base, random, release }: ReindexOptions, own: readonly string[], run: string): Promise<{ readonly building: Building; readonly resumed: boolean }> {
  const of = createHash('sha256').update(JSON.stringify([release, base, ring.epoch])).update(allTermsText()).digest('base64url')
  let started: { readonly building: Building; readonly resumed: boolean } | null = null
  await indexDocument({ records, ring, random }).change((content) => {
    if (content.base !== null && content.base !== baseDigest(base)) throw new Error('BASE_URL is not that of the servers of this store: run reindex with their settings')
    const before = content.building
    const resumed = before !== null && before.of === of && isSame([...before.definitions, ...before.unfit], own)
    const building = resumed ? { ...before, run } : { run, of, definitions: own, unfit: [], through: '' }
    started = { building, resumed: resumed && before.through !== '' }
    return { ...content, whole: content.whole.filter((each) => own.includes(each)), building }
  }, async () => [{ ...(await ring.generationBump()), expires: null }])
  return started!
}

function requireOwn({ building }: IndexContent, mine: Building): void {
  if (building?.run !== mine.run) throw new Error('Another reindex has taken over')
  if (!isSame(building.definitions, mine.definitions)) throw new Error('A server wrote that knows other packages or another BASE_URL than this command: restart all servers, then run reindex again')
}

function withinBytes(page: readonly Stored[]): readonly Stored[] {
  let bytes = 0
  const end = page.findIndex(({ sealed }, at) => (bytes += sealed.length) > BYTES_AT_ONCE && at > 0)
  return end < 0 ? page : page.slice(0, end)
}

const isSame = (left: readonly string[], right: readonly string[]): boolean => left.length === right.length && left.every((each) => right.includes(each))

const keyOf = (text: string): Key => Uint8Array.from(Buffer.from(text, 'hex'))

/** Keys are digests, so they lie evenly. */
const shareOf = (key: Key): number => Buffer.from(key).readUIntBE(0, 6) / 2 ** 48
