import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { dropStore, newStore } from '../stores.ts'

export const ROOT = join(import.meta.dirname, '..', '..')

export interface Place { readonly dir: string; readonly env: NodeJS.ProcessEnv; readonly base: string; remove(): Promise<void> }

/** A data folder, a store and a free port of the test's own. */
export async function place(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'wardkeep-'))
  const port = await freePort()
  const store = newStore()
  return {
    dir, base: `http://127.0.0.1:${port}`, env: { PATH: process.env.PATH, PORT: String(port), DATA_DIR: dir, ...store },
    async remove() {
      await dropStore(store)
      await rm(dir, { recursive: true, force: true })
    }
  }
}

export interface Program {
  readonly child: ChildProcess
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** Exit code; a signal's name where one ended it. */
  readonly ended: Promise<number | string>
}

export function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Program {
  const child = spawn('node', [join(ROOT, file), ...args], { cwd: env.DATA_DIR, env })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => { stdout += String(text) })
  child.stderr.on('data', (text) => { stderr += String(text) })
  return { child, output: () => ({ stdout, stderr }), ended: new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))) }
}

/** Waits until the check holds; fails with what the program printed when it ends or does not come to it in time. */
export async function until(program: Program, check: () => boolean | Promise<boolean>, ms = 40_000): Promise<void> {
  let over = false
  void program.ended.then(() => { over = true })
  for (const end = Date.now() + ms; !(await check());) {
    if (over || Date.now() > end) throw new Error(`not reached: ${JSON.stringify(program.output())}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
