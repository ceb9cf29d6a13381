import { defineConfig } from 'vitest/config'
import { LONG, onFiles, onMongo } from './vitest.config.ts'

/** Every test of a whole server. Those that are left out write into files of the embedded store. */
const ALL = ['test/fhir/*.test.ts', 'test/policy/leaks*.test.ts', 'test/store/kill.test.ts', 'test/store/eras*.test.ts', 'test/store/reindex.test.ts', 'test/http/stop.test.ts', 'test/seed/load.test.ts']

export default defineConfig({ test: { maxWorkers: 2, projects: [onMongo(ALL), onFiles(LONG)] } })
