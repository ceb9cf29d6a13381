/** Programs from PyPI that tests need, each in a virtual environment that is made once, under node_modules/.cache. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SETUP_MS = 240_000

/** The path of the program, or why there is none. `requirement` has an exact version. */
export async function pythonProgram({ name, requirement, program }: { readonly name: string; readonly requirement: string; readonly program: string }): Promise<string | { readonly reason: string }> {
  const cache = join(import.meta.dirname, '..', 'node_modules', '.cache', `wardkeep-${name}`)
  const ready = join(cache, `ready-${requirement}`)
  const lock = `${cache}.lock`
  mkdirSync(join(cache, '..'), { recursive: true })
  for (let waited = 0; !existsSync(ready); waited += 500) {
    if (waited > SETUP_MS) return { reason: `${requirement} was not installed in time` }
    if (!isFree(lock)) {
      await sleep(500)
      continue
    }
    try {
      if (existsSync(ready)) break
      rmSync(cache, { recursive: true, force: true })
      await run('python3', ['-m', 'venv', cache], { timeout: SETUP_MS })
      await run(join(cache, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', '--retries', '1', '--timeout', '20', requirement], { timeout: SETUP_MS })
      writeFileSync(ready, '')
    } catch {
      return { reason: `python3 with pip cannot install ${requirement}` }
    } finally {
      rmdirSync(lock)
    }
  }
  return join(cache, 'bin', program)
}

/** Takes the lock; one that was left behind is removed. */
function isFree(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch {
    const made = statSync(lock, { throwIfNoEntry: false })
    if (made !== undefined && Date.now() - made.mtimeMs > SETUP_MS) rmSync(lock, { recursive: true, force: true })
    return false
  }
}
