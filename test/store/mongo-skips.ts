/** In each test file of the MongoDB project: where there is no server, every test says so and none passes by having run on SQLite. */
import { beforeEach } from 'vitest'

beforeEach(({ skip }) => {
  const missing = process.env.TEST_MONGODB_MISSING
  if (missing !== undefined) skip(`not run here: ${missing}`)
})
