/** The bench keeps running and keeps the shape of its tables; its figures depend on the machine and are no business of a test. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const SCENARIOS = ['read', 'read, over the whole store in turn', 'patient search, 20 hits', 'patient search, 20 hits, over the whole store in turn', 'create', 'load of generated bundles, one after the other']
const COLUMNS = ['per s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU ratio', 'rate ratio', 'RSS MiB']

let sections: readonly (readonly string[])[] = []

beforeAll(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/run.ts', '--smoke'], { cwd: ROOT })
  sections = stdout.split('\n\n').map((section) => section.split('\n').filter((line) => line !== ''))
}, 300_000)

/** Cells of a line of a table. */
const cells = (line: string): readonly string[] => line.trim().split(/ {2,}/)

describe('npm run bench', () => {
  it.each(SCENARIOS)('prints a table of "%s", the bare handler first, every figure a positive number', (title) => {
    const [, header, bare, ...ours] = sections.find(([first]) => first === title) ?? []
    expect(cells(header ?? '')).toEqual(COLUMNS)
    expect(cells(bare ?? '')[0]).toMatch(/^bare/)
    expect(ours.length).toBeGreaterThan(0)
    for (const line of [bare!, ...ours]) {
      const [, ...figures] = cells(line)
      expect(figures.length).toBe(COLUMNS.length)
      for (const figure of figures) expect(Number(figure), line).toBeGreaterThan(0)
    }
    expect(cells(bare!).slice(5, 7)).toEqual(['1.000', '1.000'])
    // The ratio is that of the CPU times in the same table, as far as they were rounded.
    if (ours.length === 1) expect(Number(cells(ours[0]!)[5])).toBeCloseTo(Number(cells(bare!)[4]) / Number(cells(ours[0]!)[4]), 1)
  })

  it('says what a large transaction does to others, what terms cost and what is stored', () => {
    const text = sections.flat().join('\n')
    expect(text).toMatch(/^one transaction of 0\.\d MB and 60 entries: [\d.]+ s, status 200$/m)
    expect(text).toMatch(/^reads at a steady pace: p99 [\d.]+ ms before, [\d.]+ ms during it \(\d+ reads\)$/m)
    expect(text).toMatch(/answers that were errors: 0$/m)
    expect(text).toMatch(/^index terms of a resource: [\d.]+ µs; each search expression evaluated anew: \d+ µs$/m)
    expect(text).toMatch(/^bytes stored per resource: \d{4} at 100, \d{4} at 200 resources$/m)
  })

  it('ends with every bar: what was measured, what it should be, and whether it is met', () => {
    const bars = sections.find(([first]) => first !== undefined && cells(first).join() === 'measured,bar') ?? []
    const verdicts = new Map(bars.slice(1).map((line) => cells(line)).filter((row) => row.length === 4).map(([name, ...rest]) => [name, rest] as const))
    expect([...verdicts.values()].map(([, bar]) => bar)).toEqual(['≥ 0.25', '≥ 0.1', '≥ 0.08', '≤ 1.3', '≤ 1.3', '≥ 30', '≤ 3', '≤ 0'])
    for (const [name, [measured, bar, verdict]] of verdicts) {
      const limit = Number(bar!.slice(2))
      const isMet = bar!.startsWith('≥') ? Number(measured) >= limit : Number(measured) <= limit
      expect([name, verdict]).toEqual([name, isMet ? 'met' : 'MISSED'])
    }
  })
})
