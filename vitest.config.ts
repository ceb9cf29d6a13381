import { defineConfig } from 'vitest/config'

const shared = { pool: 'forks' as const, testTimeout: 180_000, hookTimeout: 300_000 }

/** The tests of a whole server, on MongoDB; each server has a database of its own. */
export const onMongo = (include: readonly string[], exclude: readonly string[] = []) => ({
  test: {
    ...shared, name: 'mongodb', include: [...include], exclude: [...exclude, '**/node_modules/**'], env: { TEST_STORE: 'mongodb' }, globalSetup: ['test/store/mongo-shared.ts'], setupFiles: ['test/store/mongo-file.ts'],
    testTimeout: 600_000, hookTimeout: 600_000
  }
})

/** What `npm test` runs on MongoDB; `npm run test:mongodb` runs all. */
const FIXED = ['chain', 'conditional', 'create', 'delete', 'everything', 'history', 'include', 'read', 'search', 'sort', 'update'].map((name) => `test/fhir/${name}.test.ts`)

/** They start databases or many processes of their own, for a minute each: `npm run test:mongodb` runs them. */
export const LONG = ['test/store/reindex-processes.test.ts', 'test/store/at-rest-mongodb.test.ts', 'test/store/equal-stores.test.ts', 'test/store/kill-database.test.ts']

export const onFiles = (include: readonly string[], exclude: readonly string[] = []) =>
  ({ test: { ...shared, name: 'sqlite', include: [...include], exclude: [...exclude, '**/node_modules/**'] } })

/** Every test on the embedded store, but the long ones of MongoDB, and a fixed part once more on MongoDB. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [onFiles(['test/**/*.test.ts'], LONG), onMongo([...FIXED, 'test/store/erase.test.ts'])]
  }
})
