/** How long the thread is kept from others, by its own CPU time, which a busy machine does not stretch. */
import { FhirError } from '../../src/model/errors.ts'

/** ms of CPU that one turn may take. */
export const TURN_MS = 50

export interface Turns { readonly ms: number; readonly why: string }

/** The longest turn of the thread while work goes on, in ms of CPU, and how the work ended. */
export async function longestTurn(work: () => Promise<unknown>): Promise<Turns> {
  let [longest, running, why] = [0, true, 'done']
  const used = (): number => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000 }
  let before = used()
  const done = work().catch((error: unknown) => { why = error instanceof FhirError ? `${error.status} ${error.issues[0]?.diagnostics ?? ''}` : String(error) }).finally(() => { running = false })
  while (running) {
    await new Promise(setImmediate)
    const after = used()
    longest = Math.max(longest, after - before)
    before = after
  }
  await done
  return { ms: longest, why }
}

/** The best of up to four: the first time code is compiled, and once in a while garbage is collected. With COST_ROWS it is told. */
export async function usualTurn(name: string, work: () => Promise<unknown>, turnMs = TURN_MS): Promise<Turns> {
  let best = await longestTurn(work)
  for (let again = 0; again < 3 && (again === 0 || best.ms >= turnMs); again++) {
    const next = await longestTurn(work)
    if (again === 0 || next.ms < best.ms) best = next
  }
  if (process.env.COST_ROWS !== undefined) process.stdout.write(`${name}: ${best.ms.toFixed(0)} ms of CPU; ${best.why}\n`)
  return best
}
