import { defineConfig } from 'vitest/config'

const shared = { pool: 'forks' as const, testTimeout: 60_000, hookTimeout: 120_000 }

/** The tests of a whole server, on a MongoDB that all files of a run share; each server has a database of its own. */
export const onMongo = (include: readonly string[]) => ({
  test: {
    ...shared, name: 'mongodb', include: [...include], env: { TEST_STORE: 'mongodb' }, globalSetup: ['test/store/mongo-shared.ts'], setupFiles: ['test/store/mongo-skips.ts'],
    testTimeout: 600_000, hookTimeout: 600_000
  }
})

/** What `npm test` runs on MongoDB; `npm run test:mongodb` runs all. */
const FIXED = ['chain', 'conditional', 'create', 'delete', 'everything', 'history', 'include', 'paging', 'read', 'search', 'sort', 'transaction', 'update'].map((name) => `test/fhir/${name}.test.ts`)

/** Every test on the embedded store, and a fixed part once more on MongoDB. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [{ test: { ...shared, name: 'sqlite', include: ['test/**/*.test.ts'] } }, onMongo([...FIXED, 'test/policy/leaks-masked.test.ts', 'test/store/erase.test.ts'])]
  }
})
