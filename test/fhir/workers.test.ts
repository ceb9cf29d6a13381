import { describe } from 'vitest'
import { workersOwe } from './workers-cases.ts'

describe('three processes on the embedded store', () => {
  workersOwe({ env: {}, writers: 64, updates: 40, killMs: 1500 })
})
