/** The composition root: which store, keys, ledger, policies and doors one process (or one worker thread of it) runs on. */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openLedger, type Ledger } from './audit/ledger.ts'
import { erasureRecord, tokenRecord } from './audit/record.ts'
import { ledgerRows } from './audit/ledger-rows.ts'
import { unionStore } from './audit/union-store.ts'
import { verifyLedger, type Verified } from './audit/verify.ts'
import type { Config } from './config.ts'
import { nonceOf } from './crypto/aead.ts'
import { openKeyRing, type KeyRing } from './crypto/keys.ts'
import { openFileProvider } from './crypto/providers/file.ts'
import { fhirHandler, type FhirContext, type Handle } from './fhir/handle.ts'
import { definitionsOf } from './fhir/definitions.ts'
import { operationRoutes } from './fhir/operations/index.ts'
import type { PackageContent } from './fhir/packages/content.ts'
import { type PackageFolder, packageFolder } from './fhir/packages/folder.ts'
import { interactionsDefault, openRouter } from './fhir/routes.ts'
import type { PageLink } from './fhir/exchange.ts'
import type { Caller } from './model/caller.ts'
import { parseOwnJson } from './model/json.ts'
import type { Bytes } from './model/resource.ts'
import { erasePatient } from './store/erase.ts'
import { allTypes } from './search/classification.ts'
import { usePackaged } from './search/parameters.ts'
import { makePanel, PANEL_SOURCES, type Panel } from './policy/panel.ts'
import { compilePolicy, type Policy, type PolicyContext } from './policy/policy.ts'
import { loadRolePolicies } from './policy/role-policies.ts'
import { openTokens, type TokenEvent, type Tokens } from './oauth/opaque.ts'
import { grantCaller } from './oauth/verify.ts'
import type { LedgerStore, OutboxEntry, RecordStore, ResourceStore } from './store/ports.ts'
import type { SealedStoreOptions } from './store/sealed-options.ts'
import { refuseMoved } from './store/marks.ts'
import { indexState } from './store/index-state.ts'
import { reindex, type Reindexed } from './store/reindex.ts'
import { openFault, sealedStore } from './store/sealed-store.ts'
import { fileSource, openNews } from './news.ts'
import { refuseUnfinishedRestore } from './restore-mark.ts'
import { recentWrites } from './store/recent.ts'
import { openStores, type Stores, type WriterPorts } from './stores.ts'

export interface System {
  readonly config: Config
  readonly records: RecordStore
  readonly ledgerStore: LedgerStore
  readonly ring: KeyRing
  readonly ledger: Ledger
  readonly resources: ResourceStore
  readonly handle: Handle
  readonly packages: readonly PackageContent[]
  readonly release: { readonly version: string; readonly date: string }
  policyOf(caller: Caller): Promise<Policy>
  /** To be awaited before anything kept is trusted: tokens, keys, policies. StoreUnavailable where this process was deaf for two seconds. */
  fresh(): void | Promise<void>
  /** Another thread of this process wrote or may have: panels are read again. */
  forgetPanels(): void
  /** Rewrites no resource. */
  rotateKeys(): Promise<{ readonly branchKeys: number }>
  /** Gives every record the terms that the definitions of this process ask for. Told how large a share of all is done. */
  reindex(progress: (share: number) => void): Promise<Reindexed>
  /** Null: no such patient. */
  erase(patient: string): Promise<{ readonly erased: number; readonly kept: number } | null>
  /** The key files were made by this start. */
  readonly newKeys: boolean
  verify(options: { readonly versions: boolean }): Promise<Verified>
  /** Opaque tokens: minted and revoked by command, looked up by the server. */
  readonly tokens: Tokens
  /** More ports to the same writers. */
  connect(): WriterPorts
  /** Rejects where the store, the keys or the ledger do not answer. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** One tenant a deployment: the name is bound into every sealed record. */
export const TENANT = 'clinic'

const TERMS_MAX = 512

export interface SystemOptions {
  readonly config: Config
  /** Ledger slot: `server` or `cli`. */
  readonly slot: string
  readonly writers?: WriterPorts
  /** Absent: those of DATA_DIR. */
  readonly packages?: readonly PackageContent[]
  readonly now?: () => number
  readonly failed?: (error: unknown) => void
  /** More that others may change and that whoever opens the system keeps: asked after with all else. */
  readonly sources?: readonly (() => Promise<void>)[]
  /** Who holds the ledger slot, where a process may go on with that of the one before it. */
  readonly holder?: Bytes
}

export async function openSystem(options: SystemOptions): Promise<System> {
  const { config, now = Date.now, writers = null } = options
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  refuseUnfinishedRestore(config.dataDir)
  const packages = options.packages ?? (await packagesOf(config).read())
  usePackaged(packages.flatMap(({ searchParameters }) => searchParameters))
  const stores = await openStores(config, now, writers)
  try {
    return await systemOn(stores, { ...options, packages })
  } catch (error) {
    await Promise.all([stores.records.close(), stores.ledgerStore.close()])
    throw error
  }
}

async function systemOn({ records, ledgerStore, connect }: Stores, options: SystemOptions & Required<Pick<SystemOptions, 'packages'>>): Promise<System> {
  const { config, slot, packages, now = Date.now, failed = () => undefined, sources = [], holder } = options
  const admitted = (): Promise<void> => refuseMoved(records)
  await admitted()
  const provider = openFileProvider(config.keys.dir)
  const ring = await openKeyRing({ provider, documents: keyDocuments(records), tenant: TENANT, now })
  const sealing: SealedStoreOptions = { records, ring, tenant: TENANT, base: config.fhirBase, parse: parseOwnJson, now, random: nonceOf, termsMax: TERMS_MAX }
  if (slot === 'server') await indexState(sealing).serve()
  const sealed = sealedStore(sealing)
  const panel = makePanel(sealed, now, { base: config.fhirBase })
  let policies: PolicyContext | null = null
  const takePolicies = fileSource(config.policyFile ?? DEFAULT_POLICY, (text) => {
    policies = { roles: loadRolePolicies(text), base: config.fhirBase, now, panel: panel.panel }
  })
  const news = await openNews({ sources: [keySource(ring, panel), panelSource(panel, sealing), takePolicies, ...sources], failed })
  const compile = async (caller: Caller): Promise<Policy> => {
    await news.fresh()
    return compilePolicy(caller, policies!)
  }
  const ledger = await openLedger({ admitted, store: ledgerStore, records, ring, slot, now, spoolDir: config.dataDir, failed, ...(holder === undefined ? {} : { holder }) })
  const withLedger = (withQuery: boolean): ResourceStore => unionStore(sealed, ledgerRows({
    store: ledgerStore, ring, base: config.fhirBase, site: new URL(config.baseUrl).host, withQuery, sequence: () => ledger.sequence()
  }))
  const [resources, resourcesWithQueries] = [withLedger(false), withLedger(true)]
  const context: FhirContext = {
    base: config.fhirBase, store: (policy) => (policy.auditQueries ? resourcesWithQueries : resources), ledger, compile, now, newId: randomUUID, links: pageLinks(ring), router: openRouter({ types: new Set(allTypes), interactions: interactionsDefault, operations: operationRoutes }), definitions: definitionsOf(packages),
    touched: (row) => panel.touched(row.type, row.resource()),
    bounds: { ...config.bounds, largeEntriesMax: config.bounds.entriesLargeMax }, version: VERSION, date: RELEASED
  }
  const release = { version: VERSION, date: RELEASED }
  return {
    config, records, ledgerStore, ring, ledger, resources, handle: fhirHandler(context), newKeys: provider.created, release, packages,
    policyOf: compile, fresh: news.fresh, forgetPanels: panel.forget, rotateKeys: () => ring.rotate(),
    reindex: (progress) => reindex({ ...sealing, release: VERSION, progress }),
    erase: (patient) => erasePatient({
      records, ring, tenant: TENANT, random: randomBytesOf,
      audit: async (keys) => ledger.seal(erasureRecord({ at: now(), requestId: randomUUID(), address: '', caller: null, patient, keys }))
    }, patient),
    verify: ({ versions }) => verifyLedger({ store: ledgerStore, records, ring, versions, openFault: (stored) => openFault(sealing, stored) }),
    tokens: openTokens({ store: records, ring, now, random: randomBytesOf, record: tokenRecorder(ledger, config.baseUrl, now) }),
    connect,
    async ready() {
      await Promise.all([news.fresh(), records.health(), ledgerStore.health(), provider.health()])
    },
    async close() {
      news.close()
      await ledger.close()
      await Promise.all([records.close(), ledgerStore.close()])
    }
  }
}

/** Implementation guides and their like. What is added or removed counts from the next start of a server. */
export const packagesOf = ({ dataDir }: Pick<Config, 'dataDir'>): PackageFolder => packageFolder(join(dataDir, 'packages'))
/** The keys of a store that is not served; they are made where there are none. */
export function openRing(config: Config, records: RecordStore, now: () => number): Promise<KeyRing> {
  return openKeyRing({ provider: openFileProvider(config.keys.dir), documents: keyDocuments(records), tenant: TENANT, now })
}

/** An erasure takes patients out of panels without writing any of what they are read from. */
function keySource(ring: KeyRing, panel: Panel): () => Promise<void> {
  let drops = ring.drops
  return async () => {
    await ring.refresh()
    if (ring.drops !== drops) panel.forget()
    drops = ring.drops
  }
}

function panelSource(panel: Panel, sealing: SealedStoreOptions): () => Promise<void> {
  const recent = recentWrites(sealing, PANEL_SOURCES)
  return async () => {
    if (!panel.watching()) return
    const written = await recent.look()
    if (written === null) panel.forget()
    else for (const { type, resource } of written) panel.touched(type, resource)
  }
}

/** What is minted or revoked is in the ledger, by the same commit. */
function tokenRecorder(ledger: Ledger, issuer: string, now: () => number): (event: TokenEvent) => Promise<readonly OutboxEntry[]> {
  return async ({ grant, tokenHash }) => {
    if (grant === null) return []
    const caller = grantCaller(grant, { issuer, tokenHash })
    return [await ledger.seal(tokenRecord({ at: now(), requestId: randomUUID(), clientRequestId: null, address: '', caller, status: 200 }))]
  }
}

export const VERSION = '0.1.0'
const RELEASED = '2026-11-23'

const DEFAULT_POLICY = join(import.meta.dirname, '..', 'policy', 'default.json')

export const randomBytesOf = (bytes: number): Bytes => Uint8Array.from(randomBytes(bytes))

function keyDocuments(records: RecordStore): Parameters<typeof openKeyRing>[0]['documents'] {
  return {
    get: (name) => records.document(name),
    async put(puts) {
      const documents = puts.map((put) => ({ ...put, expires: null }))
      const result = await records.commit({ id: randomBytesOf(16), expect: [], puts: [], rewrites: [], erase: [], documents, outbox: [] })
      return result.kind === 'done'
    }
  }
}

const PAGE_LABEL = 'page'

function pageLinks(ring: KeyRing): FhirContext['links'] {
  return {
    seal: (link) => Buffer.from(ring.sealSmall(PAGE_LABEL, Buffer.from(JSON.stringify(link)))).toString('base64url'),
    open(text) {
      if (!/^[\w-]{1,20000}$/.test(text)) return undefined
      const plain = ring.openSmall(PAGE_LABEL, Uint8Array.from(Buffer.from(text, 'base64url')))
      return plain === undefined ? undefined : (JSON.parse(Buffer.from(plain).toString('utf8')) as PageLink)
    }
  }
}
