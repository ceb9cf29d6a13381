/** The bench keeps running and keeps the shape of its tables; its figures depend on the machine and are no business of a test. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const TABLES = [
  'read', 'read, over the whole store in turn', 'patient search, 20 hits', 'patient search, 20 hits, over the whole store in turn', 'patient search by code and dates, 20 hits',
  'patient search with three _include, 20 hits', '$everything of a patient of 60 resources', 'first page of a name', 'create', 'load of generated bundles, one after the other'
]
const COLUMNS = ['per s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU ratio', 'rate ratio', 'RSS MiB']

const benched = (...args: readonly string[]): Promise<{ readonly stdout: string }> => promisify(execFile)(process.execPath, ['bench/run.ts', '--smoke', ...args], { cwd: ROOT })

const sectionsOf = (stdout: string): readonly (readonly string[])[] => stdout.split('\n\n').map((section) => section.split('\n').filter((line) => line !== ''))

let sections: readonly (readonly string[])[] = []

beforeAll(async () => {
  sections = sectionsOf((await benched()).stdout)
}, 300_000)

/** Cells of a line of a table. */
const cells = (line: string): readonly string[] => line.trim().split(/ {2,}/)

describe('npm run bench', () => {
  it.each(TABLES)('prints a table of "%s", the bare handler first, every figure a positive number', (title) => {
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
    if (ours.length !== 1) return
    const [theirs, own, ratio] = [Number(cells(bare!)[4]), Number(cells(ours[0]!)[4]), Number(cells(ours[0]!)[5])]
    expect(ratio).toBeGreaterThanOrEqual((theirs - 0.5) / (own + 0.5) - 0.001)
    expect(ratio).toBeLessThanOrEqual((theirs + 0.5) / (own - 0.5) + 0.001)
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
    expect([...verdicts.values()].map(([, bar]) => bar)).toEqual(['≥ 0.25', '≤ 1.3', '≥ 0.1', '≤ 1.3', '≥ 0.12', '≥ 0.08', '≥ 0.3', '≤ 2', '≥ 0.08', '≤ 3', '≤ 0', '≥ 30'])
    for (const [name, [measured, bar, verdict]] of verdicts) {
      const limit = Number(bar!.slice(2))
      const isMet = bar!.startsWith('≥') ? Number(measured) >= limit : Number(measured) <= limit
      expect([name, verdict]).toEqual([name, isMet ? 'met' : 'MISSED'])
    }
  })
  it('runs one scenario by its name, and names them all where there is none of that name', async () => {
    const { stdout } = await benched('--only', 'terms')
    expect(sectionsOf(stdout).flat().filter((line) => !/^\d+ s$/.test(line)).map((line) => cells(line)[0])).toEqual([expect.stringMatching(/^index terms of a resource/), 'measured', 'terms: expressions anew / ours'])
    await expect(benched('--only', 'nothing')).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^There is no scenario nothing: .*read, cold-read, search/) })
  })
})
