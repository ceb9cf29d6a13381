/** The archive of an npm-style FHIR package (https://hl7.org/fhir/packages.html), read in memory: nothing of it is ever unpacked to disk. */
import { gunzipSync } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'

/** Bytes of an archive. */
export const ARCHIVE_BYTES_MAX = 32 * 1024 * 1024
/** Bytes of all that an archive inflates to. */
export const INFLATED_BYTES_MAX = 256 * 1024 * 1024
/** Entries of an archive. */
export const FILES_MAX = 20_000

/** The files of the `package` folder itself that `wanted` takes, by name. Throws an Error of one line for what no package should hold. */
export function filesOf(archive: Uint8Array, wanted: (name: string) => boolean): ReadonlyMap<string, Buffer> {
  if (archive.length > ARCHIVE_BYTES_MAX) throw new Error(`the package is larger than ${ARCHIVE_BYTES_MAX} bytes`)
  // The bytes are inflated here, to a bound, before the archive is looked at.
  const tar = inflated(archive)
  const files = new Map<string, Buffer>()
  let refused: string | null = null
  let entries = 0
  const parser = new Parser({
    strict: true,
    onReadEntry(entry) {
      refused ??= ++entries > FILES_MAX ? `the package holds more than ${FILES_MAX} files` : faultOf(entry)
      const name = /^package\/([^/]+)$/.exec(entry.path)?.[1]
      if (refused !== null || name === undefined || !wanted(name)) {
        entry.resume()
        return
      }
      if (files.has(name)) refused = 'the package holds two files of one name'
      const parts: Buffer[] = []
      entry.on('data', (part: Buffer) => parts.push(part))
      entry.on('end', () => files.set(name, Buffer.concat(parts)))
    }
  })
  let broken = false
  parser.on('error', () => (broken = true))
  try {
    parser.end(tar)
  } catch {
    broken = true
  }
  if (refused !== null) throw new Error(refused)
  if (broken) throw new Error('the package is not a whole tar archive')
  return files
}

function inflated(archive: Uint8Array): Buffer {
  try {
    return gunzipSync(archive, { maxOutputLength: INFLATED_BYTES_MAX })
  } catch (error) {
    const isLarge = (error as { readonly code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
    throw new Error(isLarge ? `the package inflates to more than ${INFLATED_BYTES_MAX} bytes` : 'the package is not compressed by gzip')
  }
}

function faultOf({ path, type }: ReadEntry): string | null {
  if (path.startsWith('/') || /^[A-Za-z]:|\\|\0/.test(path) || path.split('/').includes('..')) return 'the package holds a path that leads out of it'
  return type === 'File' || type === 'OldFile' || type === 'ContiguousFile' || type === 'Directory' ? null : 'the package holds a link or a device'
}
