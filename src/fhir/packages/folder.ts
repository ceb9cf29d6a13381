/**
 * Packages as they were added, under DATA_DIR/packages: each as the archive that came, and a list with the SHA-256 of each. A changed,
 * missing or foreign file is found when they are read.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { contentOf, type PackageContent } from './content.ts'

export interface PackageEntry {
  readonly name: string
  readonly version: string
  /** Of the archive, hexadecimal. */
  readonly sha256: string
}

export interface PackageFolder {
  list(): Promise<readonly PackageEntry[]>
  /** Throws an Error of one line where the archive is no R4 package or one of that name is there. */
  add(archive: Uint8Array): Promise<{ readonly entry: PackageEntry; readonly content: PackageContent }>
  /** False: there is no such package. */
  remove(name: string): Promise<boolean>
  /** All packages, in the order they were added. Throws an Error of one line where one is not what was added. */
  read(): Promise<readonly PackageContent[]>
}

/** Packages of one server. */
export const PACKAGES_MAX = 32

const LIST = 'packages.json'
const entries = z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/), version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/), sha256: z.string().regex(/^[0-9a-f]{64}$/) }))

export function packageFolder(dir: string): PackageFolder {
  const list = async (): Promise<readonly PackageEntry[]> => {
    const text = await readFile(join(dir, LIST), 'utf8').catch(absent)
    if (text === undefined) return []
    try {
      return entries.parse(JSON.parse(text))
    } catch {
      throw new Error(`${LIST} of the packages is malformed`)
    }
  }
  const write = async (all: readonly PackageEntry[]): Promise<void> => {
    const path = join(dir, LIST)
    await writeFile(`${path}.new`, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
  }
  return {
    list,
    async add(archive) {
      const content = contentOf(archive)
      const { name, version } = content
      const known = await list()
      const same = known.find((each) => each.name === name)
      if (same !== undefined) throw new Error(`${name} ${same.version} is there already: remove it first`)
      if (known.length >= PACKAGES_MAX) throw new Error(`there are ${PACKAGES_MAX} packages already`)
      const entry = { name, version, sha256: hash(archive) }
      await mkdir(dir, { recursive: true, mode: 0o700 })
      await writeFile(join(dir, fileOf(entry)), archive, { mode: 0o600, flush: true })
      await write([...known, entry])
      return { entry, content }
    },
    async remove(name) {
      const known = await list()
      const found = known.find((each) => each.name === name)
      if (found === undefined) return false
      await write(known.filter((each) => each !== found))
      await rm(join(dir, fileOf(found)), { force: true })
      return true
    },
    async read() {
      const found: PackageContent[] = []
      for (const entry of await list()) {
        const archive = await readFile(join(dir, fileOf(entry))).catch(absent)
        if (archive === undefined || hash(archive) !== entry.sha256) throw new Error(`the package ${entry.name} ${entry.version} is missing or is not what was added`)
        found.push(contentOf(archive))
      }
      return found
    }
  }
}

const fileOf = ({ name, version }: PackageEntry): string => `${name}-${version}.tgz`

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function absent(error: unknown): undefined {
  if ((error as { readonly code?: string }).code === 'ENOENT') return undefined
  throw error
}
