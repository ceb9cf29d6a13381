/**
 * Random searches over random rows of every type: the server's answer is that of a plain scan, in order, page by page, with its totals, for
 * one who sees everything and for a patient. PROPERTY_CASES=100000 for a long run; what is
 * printed of a difference (PROPERTY_SEED, PROPERTY_FIRST) repeats it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomFrom } from '../search/samples.ts'
import { isOnMongo } from '../stores.ts'
import { makeCase } from './property/queries.ts'
import { ask, expected, isOrdered, isRefused, openWorld, PATIENT_CALLER, SEARCHED, SYSTEM_CALLER, type View, viewOf, type World } from './property/world.ts'

const CASES = Number(process.env.PROPERTY_CASES ?? (isOnMongo ? 1000 : 5000))
const SEED = Number(process.env.PROPERTY_SEED ?? 20261123)
/** Seed of the first search; the others follow it. */
const FIRST = Number(process.env.PROPERTY_FIRST ?? SEED)
const AT_ONCE = 8

let world: World
const views = new Map<typeof SYSTEM_CALLER, View>()

beforeAll(async () => {
  world = await openWorld(randomFrom(SEED))
  for (const caller of [SYSTEM_CALLER, PATIENT_CALLER]) views.set(caller, await viewOf(world, caller))
})
afterAll(() => world.close())

const seen = { found: 0, some: 0, refused: 0, types: new Set<string>() }

/** One search by both callers; what differs, with the seed that makes it again. */
async function differences(seed: number): Promise<readonly string[]> {
  const random = randomFrom(seed)
  const type = SEARCHED[seed % SEARCHED.length]!
  const asked = makeCase(random, type, (each) => world.rows.get(each) ?? [], isOrdered)
  const found: string[] = []
  for (const [caller, view] of views) {
    const refused = !view.searchable.has(type) || asked.conditions.some((each) => isRefused(each, view.searchable))
    const answer = await ask(world, caller, asked)
    const want = refused ? [] : expected(asked, view)
    const given = refused ? answer.status === 403 : answer.status === 200 && JSON.stringify(answer.ids) === JSON.stringify(want)
    const totals = refused || answer.totals.every((total) => (total === null ? !asked.total : total === want.length))
    if (!given || !totals) {
      const query = asked.params.map(([name, value]) => `${name}=${value}`).join('&')
      found.push(`PROPERTY_SEED=${SEED} PROPERTY_FIRST=${seed} PROPERTY_CASES=1 ${caller.patient ?? 'system'} ${type}?${query}\n  ${answer.status} ${answer.why} ${answer.ids.join()} (${answer.totals.join()}) and not ${refused ? 403 : want.join()}`)
    }
    seen.types.add(type)
    if (refused) seen.refused++
    else seen.found += want.length
    if (want.length > 0 && want.length < (view.rows.get(type)?.length ?? 0)) seen.some++
  }
  return found
}

describe('a search answers as a plain scan would', () => {
  test(`${CASES} random searches by two callers`, async () => {
    const found: string[] = []
    for (let from = 0; from < CASES && found.length < 20; from += AT_ONCE) {
      const seeds = Array.from({ length: Math.min(AT_ONCE, CASES - from) }, (_, at) => FIRST + from + at)
      found.push(...(await Promise.all(seeds.map(differences))).flat())
    }
    expect(found.join('\n')).toBe('')
    if (CASES < 1_000) return
    expect(seen.types.size).toBe(SEARCHED.length)
    expect(seen.some).toBeGreaterThan(CASES / 8)
    expect(seen.refused).toBeGreaterThan(CASES / 50)
  }, 100_000_000)
})
