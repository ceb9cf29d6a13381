import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** In DATA_DIR while files are put there: names them, so that the same restore can be run again. */
export const RESTORE_MARK = 'restore.unfinished'

export function refuseUnfinishedRestore(dataDir: string): void {
  if (existsSync(join(dataDir, RESTORE_MARK))) throw new Error('A restore into DATA_DIR was not finished: run it again')
}
