import { afterAll, describe, test } from 'vitest'
import { openMongoLedger } from '../../src/store/adapters/mongodb/ledger.ts'
import { openMongoStore } from '../../src/store/adapters/mongodb/store.ts'
import { ledgerStoreConformance, recordStoreConformance } from './conformance.ts'
import { mongoPlaces, mongoServer } from './mongo-place.ts'

const server = await mongoServer()
afterAll(() => server.end())

if (server.missing !== null) {
  describe(`mongodb: skipped, ${server.missing}`, () => { test.skip('the conformance suite', () => {}) })
} else {
  recordStoreConformance('mongodb', mongoPlaces(server, openMongoStore), { records: 40, terms: 12, queries: 14 })
  ledgerStoreConformance('mongodb', mongoPlaces(server, openMongoLedger))
}
