/**
 * Nothing in a query keeps the thread from others for long. A turn is measured by the thread's own CPU time, which a busy machine does not
 * stretch. COST_ROWS=10000 measures with as many rows as may be sorted.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { sortInTurns, takingTurns } from '../../src/model/turns.ts'
import { longestTurn, TURN_MS, usualTurn } from './turn-cost.ts'
import { commit, openStore, requestOf, SYSTEM_CALLER } from './property/world.ts'

const ROWS = Number(process.env.COST_ROWS ?? 600)

let store: Awaited<ReturnType<typeof openStore>>

const text = (at: number, length: number): string => `row ${at} ${'aé '.repeat(length / 3)}`

beforeAll(async () => {
  store = await openStore({ SCAN_RECORDS_MAX: '20000', SORT_RECORDS_MAX: '10000' })
  const rows = Array.from({ length: ROWS }, (_, at): Resource => ({
    resourceType: 'Library', id: `l-${at}`, title: text(at, 900), description: text(at, 1500), date: `20${10 + at % 15}-0${1 + at % 9}-1${at % 9}`, topic: Array.from({ length: 30 }, (_, n) => ({ coding: [{ system: 'http://x', code: `c${n}` }] }))
  }) as Resource)
  for (let from = 0; from < ROWS; from += 500) await commit(store.system, 1_000_000 + from, rows.slice(from, from + 500))
  // One row of nearly the largest size, with many values and long texts.
  await commit(store.system, 2_000_000, [{ resourceType: 'Questionnaire', id: 'large', description: text(0, 40_000), item: Array.from({ length: 4_000 }, (_, n) => ({ linkId: String(n), text: 'é'.repeat(60), code: [{ code: `c${n}`, display: 'é'.repeat(60) }] })) } as Resource])
}, 120_000)
afterAll(() => store.close())

const search = (type: string, ...params: (readonly [string, string])[]) => (): Promise<unknown> => store.system.handle(requestOf('search-type', type, params), SYSTEM_CALLER)
const many = (length: number): string => Array.from({ length: 200 }, (_, at) => `${'aé '.repeat(length / 3)}${at}`.trim()).join()
const nested = `${'('.repeat(14)}title co zzz${')'.repeat(14)}${Array.from({ length: 90 }, (_, at) => ` or topic eq x${at}`).join('')}`

describe('no turn is long', () => {
  test.each<readonly [string, () => Promise<unknown>, RegExp]>([
    ['to sort all rows by two parameters', search('Library', ['_sort', 'title,-date'], ['_count', '10']), /^done$/],
    ['200 long values at the start of texts', search('Library', ['title', many(900)]), /^done$/],
    ['200 long values in the middle of texts', search('Library', ['description:contains', many(300)]), /^done$|MATCH_WORK_MAX/],
    ['200 codes', search('Library', ['topic', Array.from({ length: 200 }, (_, at) => `x${at}`).join()]), /^done$/],
    ['words in all rows', search('Library', ['_content', 'nosuch "row 7" not other*']), /^done$/],
    ['a filter of 91 tests', search('Library', ['_filter', nested]), /^done$/],
    ['words in a large row', search('Questionnaire', ['_content', 'nosuch']), /TEXT_CHARS_MAX/],
    ['200 values in a large row', search('Questionnaire', ['description:contains', many(300)]), /MATCH_WORK_MAX/],
    ['codes times codes in a large row', search('Questionnaire', ['code', Array.from({ length: 200 }, (_, at) => `x${at}`).join()]), /MATCH_WORK_MAX/],
    ['60 parameters in a large row', search('Questionnaire', ...Array.from({ length: 60 }, (_, at) => ['code:text', `e${at}`] as const)), /MATCH_WORK_MAX|done/]
  ])('%s', async (name, work, ends) => {
    const best = await usualTurn(name, work)
    expect(best.why).toMatch(ends)
    expect(best.ms).toBeLessThan(TURN_MS)
  }, 600_000)

  test('a turn that is too long is noticed', async () => {
    const { ms } = await longestTurn(async () => {
      for (const end = performance.now() + 2_000, start = process.threadCpuUsage().user; process.threadCpuUsage().user - start < 60_000 && performance.now() < end;);
    })
    expect(ms).toBeGreaterThan(TURN_MS)
  })
})

describe('work in turns', () => {
  test('sorts as a plain sort would, and leaves equal items as they stood', async () => {
    const items = Array.from({ length: 5_001 }, (_, at) => ({ key: (at * 7919) % 97, at }))
    const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key
    expect(await sortInTurns(items, compare)).toEqual(items.toSorted(compare))
    expect([await sortInTurns([], compare), await sortInTurns([items[0]!], compare)]).toEqual([[], [items[0]]])
  })

  test('gives others their turn after 10 ms of work, and not before', async () => {
    const turn = takingTurns()
    expect(turn()).toBeUndefined()
    for (const end = performance.now() + 12; performance.now() < end;);
    const pause = turn()
    expect(pause).toBeInstanceOf(Promise)
    await pause
  })
})
