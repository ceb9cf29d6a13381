import { describe } from 'vitest'
import { isOnMongo } from '../stores.ts'
import { workersOwe } from './workers-cases.ts'

/** Clients that update one resource at once. */
const WRITERS = Number(process.env.TEST_WRITERS ?? 64)

describe('three processes on one store', () => {
  workersOwe({ writers: WRITERS, updates: isOnMongo ? 12 : 40, killMs: isOnMongo ? 3000 : 1500 })
})
