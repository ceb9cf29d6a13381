/** `wardkeep backup` and `restore` of the embedded store: both files of one moment, with a manifest. Keys are never part of it. */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, copyFileSync, constants, existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { slotOfSpool } from './audit/spool.ts'
import type { Verified } from './audit/verify.ts'
import type { Config } from './config.ts'
import { type CopyEvent, recordCopyAt } from './copy-record.ts'
import { isUnderNewestKek } from './crypto/root-keys.ts'
import { openFileProvider } from './crypto/providers/file.ts'
import { backupFiles } from './store/adapters/sqlite/backup.ts'
import { refuseUnfinishedRestore, RESTORE_MARK } from './restore-mark.ts'
import { filesOf, ledgerIsHeld } from './stores.ts'
import { openSystem, TENANT, VERSION } from './system.ts'

const MANIFEST = 'manifest.json'
const NAMES = { records: 'wardkeep.db', ledger: 'ledger.db' } as const
/** Files of SQLite beside a database that is open, or was when its process died. */
const BESIDE = ['-wal', '-shm'] as const
/** Implementation guides that were added, and their list. */
const PACKAGES = 'packages'
const PACKAGE = /^packages\/[A-Za-z0-9][A-Za-z0-9._+-]*\.(json|tgz)$/

export interface Manifest {
  readonly format: 1
  readonly version: string
  /** The moment of all files, ISO 8601. */
  readonly moment: string
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
}

const manifestSchema = z.object({
  format: z.literal(1), version: z.string(), moment: z.iso.datetime(),
  files: z.array(z.object({
    name: z.string().refine((name) => Object.values<string>(NAMES).includes(name) || slotOfSpool(name) !== null || PACKAGE.test(name)), bytes: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/)
  })).refine((files) => new Set(files.map(({ name }) => name)).size === files.length && Object.values(NAMES).every((needed) => files.some(({ name }) => name === needed)))
})

/** Writes a new folder at `path`; it has that name only once it is whole, and on record. Servers may go on meanwhile. */
export async function backupStore(config: Config, path: string, now: () => number = Date.now): Promise<Manifest> {
  const from = embedded(config)
  const target = resolve(path)
  if (existsSync(target)) throw new Error('The backup folder exists: name a new one')
  if (!existsSync(from.records) || !existsSync(from.ledger)) throw new Error('There is no store to back up at STORE_URL and DATA_DIR')
  refuseUnfinishedRestore(config.dataDir)
  refuseNoKeys(config)
  const onRecord = recorder(config, { event: 'export', command: 'backup', place: target }, now)
  await onRecord(null)
  const partial = `${target}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  let moment = 0
  const names: string[] = Object.values(NAMES)
  await backupFiles(from, { records: join(partial, NAMES.records), ledger: join(partial, NAMES.ledger) }, () => {
    moment = now()
    // Entries that the ledger's file did not take. They cannot go into it, and the spool cannot go, before this moment is over.
    for (const name of spoolsIn(config.dataDir)) {
      copyFileSync(join(config.dataDir, name), join(partial, name), constants.COPYFILE_EXCL)
      names.push(name)
    }
  })
  const packages = filesIn(join(config.dataDir, PACKAGES)).map((name) => `${PACKAGES}/${name}`).filter((name) => PACKAGE.test(name))
  if (packages.length > 0) await mkdir(join(partial, PACKAGES), { mode: 0o700 })
  for (const name of packages) await copyFile(join(config.dataDir, name), join(partial, name))
  names.push(...packages)
  const files = await Promise.all(names.map(async (name) => ({ name, ...(await hashed(join(partial, name))) })))
  const manifest: Manifest = { format: 1, version: VERSION, moment: new Date(moment).toISOString(), files }
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  await writeFile(join(partial, MANIFEST), text, { mode: 0o600, flush: true })
  await Promise.all(names.map((name) => syncFile(join(partial, name))))
  if (packages.length > 0) await syncFolder(join(partial, PACKAGES))
  await syncFolder(partial)
  await onRecord(text)
  await rename(partial, target)
  await syncFolder(dirname(target))
  return manifest
}

export interface RestoreOptions {
  /** Only the records are restored, beside a ledger that was not lost: it knows what was written after the backup. */
  readonly keepLedger: boolean
}

export interface Restored {
  readonly manifest: Manifest
  readonly verified: Verified
  /** The keys were rotated after the backup was made. */
  readonly olderThanKeys: boolean
}

/** Throws an Error of one line, and leaves what is there as it is, where a file is there already, the backup is not whole, or the keys are missing. */
export async function restoreStore(config: Config, path: string, { keepLedger }: RestoreOptions): Promise<Restored> {
  const to = embedded(config)
  const { text, manifest } = await manifestOf(path)
  refuseNoKeys(config)
  const places = manifest.files.filter(({ name }) => !keepLedger || name === NAMES.records)
    .map((file) => ({ ...file, source: join(path, file.name), target: file.name === NAMES.records ? to.records : file.name === NAMES.ledger ? to.ledger : join(config.dataDir, file.name) }))
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  await mkdir(dirname(to.records), { recursive: true, mode: 0o700 })
  const mark = join(config.dataDir, RESTORE_MARK)
  const again = existsSync(mark) ? z.array(z.string()).parse(JSON.parse(await readFile(mark, 'utf8'))) : []
  const spools = keepLedger ? [] : spoolsIn(config.dataDir).map((name) => join(config.dataDir, name))
  const sides = (file: string): readonly string[] => [file, ...BESIDE.map((end) => `${file}${end}`)]
  const left = again.flatMap(sides)
  const taken = [...places.map(({ target }) => target), ...spools].flatMap(sides).find((file) => existsSync(file) && !left.includes(file))
  if (taken !== undefined) throw new Error(`${taken} is there already: move it away first, nothing is written over`)
  if (keepLedger) refuseLostLedger(config.dataDir, to.ledger)
  for (const { source, name, bytes, sha256 } of places) {
    const found = await hashed(source).catch(() => null)
    if (found?.bytes !== bytes || found.sha256 !== sha256) throw new Error(`The backup is not whole: ${name} is missing or is not as its manifest says`)
  }
  await writeFile(mark, JSON.stringify(places.map(({ target }) => target)), { mode: 0o600, flush: true })
  // The restore before this one may have opened its files to put itself on record.
  for (const file of left) await rm(file, { force: true })
  for (const { source, target, sha256 } of places) await place(source, target, sha256)
  await recorder(config, { event: 'import', command: 'restore', place: resolve(path) }, Date.now)(text)
  await rm(mark)
  await syncFolder(config.dataDir)
  return { manifest, ...(await looked(config)) }
}

/** Puts the beginning of a copy on record (null), or its end with the text of its manifest. */
function recorder(config: Config, { event, command, place }: Pick<CopyEvent, 'event'> & Pick<CopyEvent['copy'], 'command' | 'place'>, now: () => number): (manifest: string | null) => Promise<void> {
  const requestId = randomUUID()
  return (text) => recordCopyAt(config, { event, requestId, copy: { command, place, begun: text === null, manifest: text === null ? null : createHash('sha256').update(text).digest('hex') } }, now)
}

/** A copy is put on record under the keys, and without them a store cannot be read. */
function refuseNoKeys({ keys }: Config): void {
  if (filesIn(keys.dir).length === 0) throw new Error('KEY_URL holds no keys: put the copy of them back first; a backup never holds them')
}

async function looked(config: Config): Promise<Pick<Restored, 'verified' | 'olderThanKeys'>> {
  const system = await openSystem({ config, slot: 'cli' })
  try {
    const documents = { get: (name: Parameters<typeof system.records.document>[0]) => system.records.document(name), put: async () => false }
    const newest = await isUnderNewestKek({ provider: openFileProvider(config.keys.dir), documents, tenant: TENANT })
    return { verified: await system.verify({ versions: true }), olderThanKeys: !newest }
  } finally {
    await system.close()
  }
}

async function place(source: string, target: string, sha256: string): Promise<void> {
  const fresh = `${target}.restoring`
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  await rm(fresh, { force: true })
  await copyFile(source, fresh)
  await syncFile(fresh)
  if ((await hashed(fresh)).sha256 !== sha256) throw new Error('A file changed while it was copied: restore again')
  await rename(fresh, target)
  await syncFolder(dirname(target))
}

function refuseLostLedger(dataDir: string, ledger: string): void {
  if (!existsSync(ledger)) throw new Error('--keep-ledger needs DATA_DIR/ledger.db, and there is none')
  if (ledgerIsHeld(dataDir, Date.now())) throw new Error('A process holds a slot of the ledger: stop it first; after a crash, wait 15 s')
}

function embedded({ store, dataDir }: Config): ReturnType<typeof filesOf> {
  if (store.kind !== 'sqlite') throw new Error('backup and restore are for the embedded store; docs/OPERATIONS.md says how MongoDB is backed up')
  return filesOf(store.path, dataDir)
}

const filesIn = (dir: string): readonly string[] => existsSync(dir) ? readdirSync(dir) : []
const spoolsIn = (dir: string): readonly string[] => filesIn(dir).filter((name) => slotOfSpool(name) !== null)

async function manifestOf(path: string): Promise<{ readonly text: string; readonly manifest: Manifest }> {
  const text = await readFile(join(path, MANIFEST), 'utf8').catch(() => null)
  if (text === null) throw new Error('There is no whole backup at this path: it has no manifest.json')
  try {
    return { text, manifest: manifestSchema.parse(JSON.parse(text)) }
  } catch {
    throw new Error('The manifest of the backup is not one of this server')
  }
}

async function hashed(path: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}

/** Durable, and for its owner only. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  await file.chmod(0o600)
  await file.sync()
  await file.close()
}

/** A file's name is as durable as its folder. Windows cannot open a folder. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  await folder.sync()
  await folder.close()
}
