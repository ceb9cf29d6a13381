/**
 * Which terms of packages' search parameters every record carries (docs/adr/0009). One sealed document says so; it is right at any moment, because whoever
 * writes records without terms that it names strikes them from it first. What R4 defines has terms from the first record on and is not in it.
 */
import { createHash } from 'node:crypto'
import { SealBroken } from '../crypto/errors.ts'
import type { KeyRing } from '../crypto/keys.ts'
import type { Bytes } from '../model/resource.ts'
import { allPackagedTerms, packagedTerms } from '../search/index-levels.ts'
import { codesOf, type Filter } from '../search/query.ts'
import type { DocumentPut, Key, RecordStore } from './ports.ts'

export interface IndexState {
  /** Codes of packages' parameters in this filter on a type whose terms every record carries now: those that are not written meanwhile keep them. */
  served(type: string, filter: Filter): ReadonlySet<string> | Promise<ReadonlySet<string>>
  /**
   * To be awaited before a commit that relies on this version of the key generation's document: strikes what the document promises and this process
   * does not write.
   */
  promise(generation: number): void | Promise<void>
  /** Writes down under which base the servers of this store write, so that no reindex takes another. */
  serve(): Promise<void>
}

/** A reindex that was begun and has not ended. */
export interface Building {
  /** Of the process that is at it, random. */
  readonly run: string
  /** Digest of all that terms follow from: another one begins anew. */
  readonly of: string
  /** Definitions that all records behind `through` carry, and all that were written since. */
  readonly definitions: readonly string[]
  /** Definitions that were given up: a record held more than the index takes. */
  readonly unfit: readonly string[]
  /** Last record key that was done, hexadecimal; '' before the first. */
  readonly through: string
}

export interface IndexContent {
  /** Definitions whose terms every record carries. */
  readonly whole: readonly string[]
  readonly building: Building | null
  /** Digest of the base under which servers write; null: none was started yet. */
  readonly base: string | null
}

export interface IndexPlace {
  readonly records: RecordStore
  readonly ring: KeyRing
  /** FHIR base URL: terms of references to it say so by their type. */
  readonly base: string
  readonly random: (bytes: number) => Bytes
}

export function indexState(place: IndexPlace): IndexState {
  const document = indexDocument(place)
  /** The generation under which the promises were last looked at; they grow only together with it. */
  let looked = -1
  const whole = async (asked: ReadonlyMap<string, string>): Promise<ReadonlySet<string>> => {
    const carried = new Set((await document.read()).content.whole)
    return new Set([...asked].filter(([, text]) => carried.has(definitionOf(place.base, text))).map(([code]) => code))
  }
  const strike = async (generation: number): Promise<void> => {
    const own = new Set(ownDefinitions(place.base).map(({ definition }) => definition))
    const kept = (definitions: readonly string[]): readonly string[] => definitions.filter((each) => own.has(each))
    await document.change((content) => {
      const { whole, building } = content
      if ([...whole, ...building?.definitions ?? []].every((each) => own.has(each))) return null
      return { ...content, whole: kept(whole), building: building === null ? null : { ...building, definitions: kept(building.definitions) } }
    })
    looked = generation
  }
  return {
    served(type, filter) {
      const texts = packagedTerms(type)
      if (texts.size === 0) return NONE
      const asked = new Map(codesOf(filter).flatMap((code) => (texts.has(code) ? [[code, texts.get(code)!]] : [])))
      return asked.size === 0 ? NONE : whole(asked)
    },
    promise: (generation) => (looked === generation ? undefined : strike(generation)),
    serve: () => document.change((content) => (content.base === baseDigest(place.base) ? null : { ...content, base: baseDigest(place.base) }))
  }
}

/** Of a FHIR base URL. */
export const baseDigest = (base: string): string => definitionOf(base, '')

const NONE: ReadonlySet<string> = new Set()

/** The definitions whose terms this process writes, each with its type. */
export const ownDefinitions = (base: string): readonly { readonly type: string; readonly definition: string }[] =>
  allPackagedTerms().map(({ type, text }) => ({ type, definition: definitionOf(base, text) }))

/** 22 characters. */
function definitionOf(base: string, text: string): string {
  const key = `${base}\n${text}`
  let found = digests.get(key)
  if (found === undefined) digests.set(key, (found = createHash('sha256').update(key).digest('base64url').slice(0, 22)))
  return found
}

const digests = new Map<string, string>()

const LABEL = 'index'

/** The document itself. */
export function indexDocument({ records, ring, random }: Omit<IndexPlace, 'base'>) {
  const name: Key = ring.documentName(LABEL, 'definitions')
  const read = async (): Promise<{ readonly version: number; readonly content: IndexContent }> => {
    const found = await records.document(name)
    if (found === undefined) return { version: 0, content: EMPTY }
    const plain = ring.openSmall(LABEL, found.sealed)
    if (plain === undefined) throw new SealBroken('index')
    return { version: found.version, content: JSON.parse(Buffer.from(plain).toString('utf8')) as IndexContent }
  }
  const put = (version: number, content: IndexContent): DocumentPut =>
    ({ name, expect: version, expires: null, sealed: ring.sealSmall(LABEL, Buffer.from(JSON.stringify(content))) })
  return {
    read,
    put,
    /** Writes what `next` makes of the content, again where another was first; null: it stays. `beside`: written in the same commit. */
    async change(next: (content: IndexContent) => IndexContent | null, beside: () => Promise<readonly DocumentPut[]> = async () => []): Promise<void> {
      for (;;) {
        const others = await beside()
        const { version, content } = await read()
        const changed = next(content)
        if (changed === null) return
        const documents = [put(version, changed), ...others]
        const done = await records.commit({ id: random(16), expect: [], puts: [], rewrites: [], erase: [], documents, outbox: [] })
        if (done.kind === 'done') return
      }
    }
  }
}

const EMPTY: IndexContent = { whole: [], building: null, base: null }
