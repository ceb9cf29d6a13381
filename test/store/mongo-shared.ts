/** Before all test files of the MongoDB project: a server that they share is told to them by TEST_MONGODB_URL. */
import { sharedServer } from './mongo-place.ts'

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  const server = await sharedServer()
  if (server === null) return undefined
  process.env.TEST_MONGODB_URL = server.url
  return () => server.end()
}
