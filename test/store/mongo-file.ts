/**
 * Before each test file of the MongoDB project: where no server is shared, a stand-in of its own: one works on one core, and a long command of
 * one file would keep the servers of another waiting. Where there is none either, every test says so and none passes by having run on SQLite.
 */
import { afterAll, beforeEach } from 'vitest'
import { standIn } from './mongo-place.ts'

const own = process.env.TEST_MONGODB_URL === undefined ? await standIn() : null
if (own?.missing === null) {
  process.env.TEST_MONGODB_URL = own.url
  afterAll(async () => {
    delete process.env.TEST_MONGODB_URL
    await own.end()
  })
}

beforeEach(({ skip }) => {
  if (own !== null && own.missing !== null) skip(`not run here: ${own.missing}`)
})
