import { afterAll, describe } from 'vitest'
import { freshDatabase, mongoServer } from '../store/mongo-place.ts'
import { workersOwe } from './workers-cases.ts'

const server = await mongoServer()
afterAll(() => server.end())

describe.skipIf(server.missing !== null)(`three processes on MongoDB${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  const url = server.url.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, `$1/${freshDatabase()}`)
  workersOwe({ env: { STORE_URL: url }, writers: server.real ? 64 : 16, updates: 12, killMs: 3000 })
})
