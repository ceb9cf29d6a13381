import { afterAll, describe } from 'vitest'
import { freshDatabase, mongoServer } from '../store/mongo-place.ts'
import { workersOwe } from './workers-cases.ts'

const server = await mongoServer()
afterAll(() => server.end())

/** Clients that update one resource at once. 64 as a long run on the stand-in too: TEST_WRITERS=64. */
const WRITERS = Number(process.env.TEST_WRITERS ?? (server.real ? 64 : 16))

describe.skipIf(server.missing !== null)(`three processes on MongoDB${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  const url = server.url.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, `$1/${freshDatabase()}`)
  workersOwe({ env: { STORE_URL: url }, writers: WRITERS, updates: 12, killMs: 3000 })
})
