import { defineConfig } from 'vitest/config'
import { LONG, onFiles, onMongo } from './vitest.config.ts'

/** Every test of a whole server. Those that are left out write into files of the embedded store, or of its ledger. */
const ALL = [
  'test/fhir/*.test.ts', 'test/policy/leaks*.test.ts', 'test/store/kill.test.ts', 'test/store/eras*.test.ts', 'test/store/reindex*.test.ts', 'test/http/stop.test.ts',
  'test/seed/system.test.ts', 'test/system/news.test.ts', 'test/fuzz/*.test.ts'
]

/** How long a turn of the thread is says nothing about the store, and their largest transactions take longer than the stand-in lets one live. */
const OF_THE_THREAD = ['test/fhir/*-cost.test.ts']

export default defineConfig({ test: { maxWorkers: 2, projects: [onMongo(ALL, OF_THE_THREAD), onFiles(LONG)] } })
