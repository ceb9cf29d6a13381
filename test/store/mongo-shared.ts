/** Before all test files of the MongoDB project: one server for the run, told to them by TEST_MONGODB_URL, or why there is none. */
import { mongoServer } from './mongo-place.ts'

export async function setup(): Promise<() => Promise<void>> {
  const server = await mongoServer()
  if (server.missing === null) process.env.TEST_MONGODB_URL = server.url
  else process.env.TEST_MONGODB_MISSING = server.missing
  return () => server.end()
}
