/**
 * npm run bench [-- --quick | --smoke] [--only NAME]…: this server and a bare Express handler that answers the same bytes, in turns within
 * one run, at 1, 16 and 64 connections. Prints tables and writes nothing but temporary stores, which go at the end. `--quick` measures at 64
 * connections with smaller stores; `--smoke` is for the test of this program. docs/PERFORMANCE.md says how to read the tables.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FULL, QUICK, SMOKE } from './plan.ts'
import { SCENARIOS } from './scenarios.ts'
import { openStage } from './stage.ts'
import { type Bar, bars } from './table.ts'

const { values: { quick, smoke, only } } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, smoke: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] } }
})

const unknown = only.find((name) => !SCENARIOS.some((scenario) => scenario.name === name))
if (unknown !== undefined) {
  process.stderr.write(`There is no scenario ${unknown}: --only takes ${SCENARIOS.map(({ name }) => name).join(', ')}\n`)
  process.exit(1)
}

const dir = mkdtempSync(join(tmpdir(), 'wardkeep-bench-'))
// Stopped by hand, it leaves neither servers nor their stores behind.
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const stage = openStage(smoke ? SMOKE : quick ? QUICK : FULL, dir)
const started = performance.now()
try {
  const all: Bar[] = []
  for (const { name, run } of SCENARIOS) if (only.length === 0 || only.includes(name)) all.push(...await run(stage))
  stage.say(`\n${bars(all)}\n\n${((performance.now() - started) / 1000).toFixed(0)} s`)
} finally {
  await stage.end()
}
