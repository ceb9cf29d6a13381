import { defineConfig } from 'vitest/config'

const shared = { testTimeout: 60_000, hookTimeout: 120_000, pool: 'forks' as const }

/** Every test on the embedded store; those of a whole server once more on MongoDB. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: 'sqlite', include: ['test/**/*.test.ts'] } },
      {
        test: {
          ...shared, name: 'mongodb', include: ['test/fhir/*.test.ts', 'test/policy/leaks*.test.ts', 'test/store/kill.test.ts', 'test/store/eras*.test.ts', 'test/http/stop.test.ts', 'test/seed/load.test.ts'],
          env: { TEST_STORE: 'mongodb' }, globalSetup: ['test/store/mongo-shared.ts'], setupFiles: ['test/store/mongo-skips.ts'], testTimeout: 600_000, hookTimeout: 600_000
        }
      }
    ]
  }
})
