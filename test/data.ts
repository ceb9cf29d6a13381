import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Folder of the real inputs (`WARDKEEP_DATA`, else `../shared/data`), or null where it is absent: tests then skip, visibly. */
export function dataDir(): string | null {
  const dir = resolve(process.env.WARDKEEP_DATA ?? join(import.meta.dirname, '..', '..', 'shared', 'data'))
  return existsSync(join(dir, 'README.md')) ? dir : null
}
