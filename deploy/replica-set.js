// For mongosh, on the first member: makes the replica set and the one user of the servers. Run again, it changes nothing.
const { readFileSync } = require('node:fs')
const MEMBERS = ['mongo1', 'mongo2', 'mongo3']
// The subject of the servers' certificate: it is their only credential.
const SERVERS = 'CN=wardkeep,O=Wardkeep servers'

db.getSiblingDB('admin').auth('root', readFileSync('/run/database/root-password', 'utf8').trim())
try {
  rs.status()
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error
  // The first is preferred, so that this script always finds the primary where it runs.
  rs.initiate({ _id: 'wardkeep', members: MEMBERS.map((name, i) => ({ _id: i, host: `${name}:27017`, priority: i === 0 ? 2 : 1 })) })
}
while (!db.hello().isWritablePrimary) sleep(500)
const external = db.getSiblingDB('$external')
if (external.getUser(SERVERS) === null) external.createUser({ user: SERVERS, roles: [{ role: 'readWrite', db: 'wardkeep' }] })
