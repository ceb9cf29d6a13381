/** Servers under measurement: child processes that report their own use of CPU and memory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../test/free-port.ts'
import type { Usage } from './meter.ts'

export interface Server {
  readonly name: string
  readonly port: number
  /** Sent with every request; null: none. */
  readonly token: string | null
  /** Requests leave work behind, which is done within a second or so. */
  readonly settles: boolean
  usage(): Promise<Usage>
  stop(): Promise<void>
}

const ROOT = join(import.meta.dirname, '..')

/** This server as `npm start` runs it, on a store of its own. Nothing is switched off; only the request limit is out of the way. */
export async function startWardkeep(name: string, dir: string): Promise<Server> {
  const port = await freePort()
  // Settings of whoever runs the bench are not what is measured.
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, DATA_DIR: join(dir, 'data'), KEY_URL: `file:${join(dir, 'keys')}`, PORT: String(port), RATE_LIMIT: '1000000000' }
  const child = launch([...startFlags(), 'src/main.ts'], env)
  await answers(port, child)
  const mint = await promisify(execFile)(process.execPath, ['src/cli/wardkeep.ts', 'token', '--scope', 'system/*.cruds', '--expires-in', '86400'], { cwd: ROOT, env })
  // Entries of reads are numbered, chained and indexed once a second: that is part of what a read costs.
  return { name, port, token: mint.stdout.trim(), settles: true, ...controls(child) }
}

export interface Bare extends Server {
  /** From now on it answers these paths with these bodies. */
  take(bodies: Readonly<Record<string, string>>): Promise<void>
}

export async function startBare(): Promise<Bare> {
  const port = await freePort()
  const child = launch([...startFlags(), 'bench/bare.ts'], { ...process.env, PORT: String(port) })
  await heard(child, 'listening')
  const take = async (bodies: Readonly<Record<string, string>>): Promise<void> => {
    child.send({ bodies })
    await heard(child, 'taken')
  }
  return { name: 'bare', port, token: null, settles: false, take, ...controls(child) }
}

/** Flags of node in the start script, so that what is measured is what runs. */
function startFlags(): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } }
  return scripts.start.split(' ').filter((word) => word.startsWith('--'))
}

function launch(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, ['--import', new URL('./meter.ts', import.meta.url).href, ...args], {
    cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  return child
}

function controls(child: ChildProcess): Pick<Server, 'usage' | 'stop'> {
  return {
    async usage() {
      child.send('usage')
      return (await heard(child, 'usage')) as Usage
    },
    async stop() {
      const gone = child.exitCode === null ? once(child, 'exit') : null
      child.kill()
      await gone
    }
  }
}

/** The value of the next message that has this property. */
function heard(child: ChildProcess, property: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('A server under measurement ended'))
    const onMessage = (message: Readonly<Record<string, unknown>>): void => {
      if (!(property in message)) return
      child.off('message', onMessage).off('exit', onExit)
      resolve(message[property])
    }
    child.on('message', onMessage).once('exit', onExit)
  })
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).then((reply) => reply.ok, () => false)
    if (ready) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('The server did not start')
}
