import { test, expect } from 'vitest'
import { openTwins, rowsOf, rowsOfNobody, A, B, at, differences, PATIENT_A, restrictedRows, inTurns, ofPatients } from './world.ts'
import { queriesOf } from './queries.ts'
import { SYSTEM } from '../harness.ts'
test('probe', async () => {
  const twins = await openTwins(async (s) => { await s.load(rowsOfNobody()); await s.load(rowsOf(A)) }, async (s) => { await at(-1, () => s.load([...rowsOf(B), ...restrictedRows()])) })
  const t1 = performance.now()
  const all = ['Patient', ...ofPatients].flatMap((type) => queriesOf(type, rowsOf(B).filter(r => r.resourceType === type)).map(q => ({ type, q })))
  console.log(all.length, all.filter(x => x.q.plain).length)
  const miss: string[] = [], bad = new Map<string, number>()
  await inTurns(all, 12, async ({ type, q }) => {
    const r = await twins.full.ask(SYSTEM, { path: `${type}?${q.text}` })
    if (r.status !== 200) bad.set(`${r.status} ${r.json?.issue?.[0]?.diagnostics}`, (bad.get(`${r.status} ${r.json?.issue?.[0]?.diagnostics}`) ?? 0) + 1)
    if (q.plain && !(r.json.entry ?? []).some((e: any) => e.resource.id === 'b' || e.resource.id.startsWith('b-'))) miss.push(`${type}?${q.text} ${r.status} ${r.json?.issue?.[0]?.diagnostics ?? ''}`)
  })
  console.log(miss.length, miss.slice(0, 60).join('\n'), [...bad].slice(0, 40), performance.now() - t1)
  const t2 = performance.now()
  const d = await differences(twins, PATIENT_A, all.map(({ type, q }) => ({ path: `${type}?${q.text}` })))
  console.log(d.length, d.slice(0,3), performance.now() - t2)
  await twins.close()
})
