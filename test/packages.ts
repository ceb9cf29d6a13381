/** Packages for tests: the US Core guide as it is published, and archives with anything in them. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { dataDir } from './data.ts'
import type { Json } from './harness.ts'

/** Null where the real inputs are absent. */
export const usCoreDir = (): string | null => {
  const dir = dataDir()
  return dir !== null && existsSync(join(dir, 'us-core-6.1.0', 'package.json')) ? join(dir, 'us-core-6.1.0') : null
}

export interface Entry {
  readonly path: string
  readonly text?: string | Buffer
  /** Type flag of tar: 0 file, 1 hard link, 2 symbolic link, 3 device, 5 directory. */
  readonly flag?: string
  readonly link?: string
}

/** A .tgz with these entries, whatever they are. */
export function archiveOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, text = '', flag = '0', link = '' }) => {
    const body = Buffer.from(text)
    const header = Buffer.alloc(512)
    header.write(path, 0, 100)
    header.write('0000644\0', 100)
    header.write('0000000\0', 108)
    header.write('0000000\0', 116)
    header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        ', 148)
    header.write(flag, 156)
    header.write(link, 157, 100)
    header.write('ustar\x0000', 257)
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 1 })
}

export const manifest = (more: object = {}): Entry => ({ path: 'package/package.json', text: JSON.stringify({ name: 'test.guide', version: '1.0.0', fhirVersions: ['4.0.1'], ...more }) })

/** A package that holds these resources. */
export const packageOf = (resources: readonly Json[], more: object = {}): Buffer =>
  archiveOf([manifest(more), ...resources.map((resource, index) => ({ path: `package/${resource.resourceType}-${index}.json`, text: JSON.stringify(resource) }))])

/** The US Core package as it would be downloaded. */
export const usCore = (dir: string): Buffer => archiveOf(['', 'example'].flatMap((folder) => readdirSync(join(dir, folder), { withFileTypes: true }).filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
  .map(({ name }) => ({ path: `package/${folder === '' ? '' : `${folder}/`}${name}`, text: readFileSync(join(dir, folder, name)) }))))

/** The guide's own examples. */
export const usCoreExamples = (dir: string): readonly Json[] =>
  readdirSync(join(dir, 'example')).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(dir, 'example', name), 'utf8')) as Json)
