import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Place, place, type Program, start, until } from './running.ts'

const LAST = 'Nobody else gets in'

describe('npm run demo', () => {
  let [home, demo]: [Place | null, Program | null] = [null, null]
  beforeAll(async () => {
    home = await place()
    demo = start('src/cli/demo.ts', [], home.env)
    await until(demo, () => demo!.output().stdout.includes(LAST))
  })
  afterAll(async () => {
    demo?.child.kill('SIGKILL')
    await demo?.ended
    await home?.remove()
  })

  const lines = (): readonly string[] => demo!.output().stdout.split('\n')
  const curls = (): readonly { readonly url: string; readonly token: string }[] => lines().filter((line) => line.startsWith('curl')).map((line) => {
    const [, token, url] = /^curl -sS -H "Authorization: Bearer (wk_[\w-]{43})" "(http:[^"$`\\|]+)"$/.exec(line) ?? []
    if (token === undefined || url === undefined) throw new Error(`not a plain curl line: ${line}`)
    return { token, url }
  })
  const ask = (url: string, token: string): Promise<Response> => fetch(url, { headers: { authorization: `Bearer ${token}` } })

  test('prints at least one curl for each of five personas, without colour', () => {
    expect(lines().filter((line) => /^[1-5]\. /.test(line))).toHaveLength(5)
    expect(new Set(curls().map(({ token }) => token)).size).toBe(5)
    expect(demo!.output().stdout).not.toContain('\u001b')
    expect(demo!.output().stderr).toBe('')
  })

  test('every curl is answered 200', async () => {
    expect(curls().length).toBeGreaterThan(5)
    for (const { url, token } of curls()) expect((await ask(url, token)).status, url).toBe(200)
  })

  test('the patient finds one patient, the physician those in care, the front desk no social security number', async () => {
    const tokens = [...new Set(curls().map(({ token }) => token))]
    const patients = async (at: number): Promise<readonly unknown[]> =>
      ((await (await ask(`${home!.base}/fhir/R4/Patient?_count=100`, tokens[at]!)).json()) as { entry?: unknown[] }).entry ?? []
    expect(await patients(0)).toHaveLength(1)
    expect((await patients(1)).length).toBeGreaterThan(1)
    expect((await patients(1)).length).toBeLessThan(12)
    expect(await patients(2)).toHaveLength(12)
    expect(JSON.stringify(await patients(0))).toContain('us-ssn')
    expect(JSON.stringify(await patients(2))).not.toContain('us-ssn')
  })

  test('what it says to be refused is refused', async () => {
    const tokens = [...new Set(curls().map(({ token }) => token))]
    const [stranger] = /Patient\/[0-9a-f-]{36}(?= \()/.exec(demo!.output().stdout) ?? []
    expect((await ask(`${home!.base}/fhir/R4/${stranger}`, tokens[1]!)).status).toBe(404)
    expect((await ask(`${home!.base}/fhir/R4/${stranger}`, tokens[2]!)).status).toBe(200)
    expect((await ask(`${home!.base}/fhir/R4/Condition`, tokens[2]!)).status).toBe(403)
    expect((await fetch(`${home!.base}/fhir/R4/Patient`)).status).toBe(401)
  })

  test('keeps to DATA_DIR/demo, ends at SIGTERM, and loads nothing a second time', async () => {
    expect(await readdir(home!.dir)).toEqual(['demo'])
    demo!.child.kill('SIGTERM')
    expect(await demo!.ended).toBe(0)
    demo = start('src/cli/demo.ts', [], home!.env)
    await until(demo, () => demo!.output().stdout.includes(LAST))
    expect(demo.output().stdout).not.toContain('Loading')
    expect(demo.output().stdout).toContain('serves 12 made-up patients')
  })
})
