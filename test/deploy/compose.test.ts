/** docker-compose.yml: what it promises, read from the file. Its certificates are made here and spoken by over the wire; docker itself is not run. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig, settingsTable } from '../../src/config.ts'
import { openMongoStore } from '../../src/store/adapters/mongodb/store.ts'
import { StoreUnavailable } from '../../src/store/ports.ts'
import type { Json } from '../harness.ts'
import { standIn, type MongoServer } from '../store/mongo-place.ts'

const root = join(import.meta.dirname, '..', '..')
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
const compose: Json = parse(text, { merge: true })
const services = Object.entries<Json>(compose.services)
const named = (name: RegExp): readonly Json[] => services.filter(([key]) => name.test(key)).map(([, service]) => service)
const servers = named(/^server\d/), databases = named(/^mongo\d/)
const volumesOf = (service: Json): readonly (readonly string[])[] => (service.volumes ?? []).map((one: string) => one.split(':'))
const sourcesOf = (service: Json): readonly string[] => volumesOf(service).map(([source]) => source!)
const argument = (name: string): string => databases[0].command.find((one: string) => one.startsWith(`--${name}=`)).split('=')[1]
const settings = (server: Json): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries<string>(server.environment).map(([name, value]) => [name, value.replace(/\$\{\w+:-([^}]*)\}/g, '$1')]))
const url = (): string => settings(servers[0]).STORE_URL!

describe('docker-compose.yml', () => {
  test('runs three database members, two servers and a proxy, each with a health check, and what each needs before it', () => {
    expect([databases.length, servers.length, named(/^proxy$/).length]).toEqual([3, 2, 1])
    for (const service of [...databases, ...servers, ...named(/^proxy$/)]) expect(service.healthcheck.test.length).toBeGreaterThan(1)
    for (const [, service] of services) {
      for (const [name, { condition }] of Object.entries<Json>(service.depends_on ?? {})) {
        const waited = compose.services[name]
        expect(condition).toBe(waited.healthcheck === undefined ? 'service_completed_successfully' : 'service_healthy')
      }
    }
    const before = (service: Json): readonly string[] => Object.keys(service.depends_on ?? {}).flatMap((name) => [name, ...before(compose.services[name])])
    for (const server of servers) expect(new Set(before(server))).toEqual(new Set(['replica-set', 'mongo1', 'mongo2', 'mongo3', 'certificates']))
    expect(new Set(before(compose.services.proxy))).toContain('server2')
  })

  test('every volume and file that a service mounts is declared or there, no data lies in two places, and images name a version', () => {
    for (const [name, service] of services) {
      for (const [source, target] of volumesOf(service)) {
        if (source!.startsWith('.')) expect(existsSync(join(root, source!)), source).toBe(true)
        else expect(Object.keys(compose.volumes), `${name}: ${source}`).toContain(source)
        expect(target!.startsWith('/')).toBe(true)
      }
      for (const network of Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {})) expect(Object.keys(compose.networks)).toContain(network)
      if (service.image !== undefined) expect(service.image).toMatch(/:\d/)
    }
    const used = new Set(services.flatMap(([, service]) => sourcesOf(service)))
    expect(Object.keys(compose.volumes).filter((name) => !used.has(name))).toEqual([])
    const data = [...databases, ...servers].flatMap((service) => volumesOf(service).filter(([, target]) => /^\/data\/db$|^\/var\/lib\/wardkeep$/.test(target!)).map(([source]) => source))
    expect([data.length, new Set(data).size]).toEqual([5, 5])
  })

  test('keeps the keys from the database and the database’s secrets from the servers, and the authority from both', () => {
    expect(servers.map((server) => sourcesOf(server).filter((source) => /keys|secrets|authority/.test(source)))).toEqual([['keys', 'server-secrets'], ['keys', 'server-secrets']])
    for (const [name, service] of services) {
      if (!/^server\d/.test(name)) expect(sourcesOf(service), name).not.toContain('keys')
      if (name !== 'certificates') expect(sourcesOf(service), name).not.toContain('authority')
      if (!/^server\d|^certificates$/.test(name)) expect(sourcesOf(service), name).not.toContain('server-secrets')
      if (!/^mongo\d|^certificates$|^replica-set$/.test(name)) expect(sourcesOf(service), name).not.toContain('database-secrets')
      if (name !== 'certificates') for (const volume of volumesOf(service).filter(([source]) => source!.endsWith('-secrets'))) expect(volume[2]).toBe('ro')
    }
    const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
    const [, keys] = /KEY_URL=file:(\S+)/.exec(dockerfile)!, [, data] = /DATA_DIR=(\S+)/.exec(dockerfile)!
    for (const server of servers) expect(volumesOf(server).map(([, target]) => target)).toEqual(expect.arrayContaining([keys, data]))
    // No secret stands in the file or in an environment.
    expect(text).not.toMatch(/:\/\/[^/\s]*:[^/\s]*@|PASSWORD:\s/)
  })

  test('lets nobody reach the database but the servers, and nobody the servers but the proxy', () => {
    expect(compose.networks.database.internal).toBe(true)
    expect(services.filter(([, service]) => service.ports !== undefined).map(([name]) => name)).toEqual(['proxy'])
    for (const database of databases) expect(database.networks).toEqual(['database'])
    expect(Object.keys(compose.services.proxy.networks)).toEqual(['front'])
    expect(settings(servers[0]).TRUST_PROXY).toBe(compose.services.proxy.networks.front.ipv4_address)
    for (const service of [...databases, ...servers, compose.services.proxy]) expect([service.cap_drop, service.security_opt]).toEqual([['ALL'], ['no-new-privileges:true']])
  })

  test('asks of the database authentication and TLS, and of the servers a certificate of the same authority', () => {
    expect([argument('keyFile'), argument('tlsMode')]).toEqual(['/run/database/keyfile', 'requireTLS'])
    for (const database of databases) expect(database.command).toEqual(databases[0].command)
    expect(databases[0].command.join(' ')).not.toMatch(/noauth|allowConnectionsWithoutCertificates|allowInvalid/i)
    const given = new URL(url().replace('mongodb://mongo1:27017,mongo2:27017,mongo3:27017', 'http://mongo1'))
    expect(Object.fromEntries(given.searchParams)).toEqual({
      replicaSet: argument('replSet'), tls: 'true', tlsCAFile: '/run/server/ca.pem', tlsCertificateKeyFile: '/run/server/client.pem', authMechanism: 'MONGODB-X509', authSource: '$external'
    })
    const script = readFileSync(join(root, 'deploy', 'replica-set.js'), 'utf8')
    expect(script).toContain(`_id: '${argument('replSet')}'`)
    expect(script).toContain("role: 'readWrite', db: 'wardkeep'")
    for (const database of databases) expect(script).toContain(`'${database.hostname}'`)
  })

  test('gives the servers settings that exist and that they take, and the proxy their names', () => {
    const known = settingsTable.map(({ name }) => name)
    for (const server of servers) {
      expect(Object.keys(server.environment).filter((name) => !known.includes(name))).toEqual([])
      const config = loadConfig({ HOST: '0.0.0.0', ...settings(server) })
      expect([config.store.kind, config.baseUrl]).toEqual(['mongodb', 'https://localhost'])
    }
    const proxy = readFileSync(join(root, 'deploy', 'Caddyfile'), 'utf8')
    for (const [name] of services.filter(([key]) => /^server\d/.test(key))) expect(proxy).toContain(`${name}:8080`)
    expect(proxy).toContain('health_uri /ready')
    expect(settings(compose.services.proxy).BASE_URL).toBe(settings(servers[0]).BASE_URL)
  })
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)(`the certificates of deploy/certificates.sh${hasOpenssl ? '' : ' (not run here: no openssl)'}`, () => {
  let dir: string
  const folder = (name: string): string => join(dir, name)
  const make = (argv: readonly string[] = [], more: Readonly<Record<string, string>> = {}): void => {
    const owner = `${process.getuid!()}:${process.getgid!()}`
    const env = { PATH: process.env.PATH!, AUTHORITY: folder('authority'), DATABASE: folder('database'), SERVER: folder('server'), DATABASE_OWNER: owner, SERVER_OWNER: owner, ...more }
    execFileSync('sh', [join(root, 'deploy', 'certificates.sh'), ...argv], { env, stdio: 'ignore' })
  }
  const openssl = (...argv: readonly string[]): string => execFileSync('openssl', [...argv], { encoding: 'utf8' })
  const fileOf = (path: string): string => folder(path.replace(/^\/run\//, ''))

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'wardkeep-deploy-'))
    for (const name of ['authority', 'database', 'server']) mkdirSync(folder(name))
    make()
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('are made once, where the file looks for them, readable by their owner only, and signed by the authority', () => {
    const used = [argument('keyFile'), argument('tlsCertificateKeyFile'), argument('tlsCAFile'), ...[...url().matchAll(/File=([^&]+)/g)].map(([, path]) => path!)]
    for (const path of used) expect([path, statSync(fileOf(path)).mode & 0o777]).toEqual([path, 0o400])
    for (const path of ['database/server.pem', 'server/client.pem']) expect(openssl('verify', '-CAfile', folder('authority/ca.pem'), folder(path))).toContain('OK')
    const names = openssl('x509', '-in', folder('database/server.pem'), '-noout', '-ext', 'subjectAltName')
    for (const { hostname } of databases) expect(names).toContain(`DNS:${hostname}`)
    const subject = openssl('x509', '-in', folder('server/client.pem'), '-noout', '-subject', '-nameopt', 'RFC2253').trim().replace('subject=', '')
    expect(readFileSync(join(root, 'deploy', 'replica-set.js'), 'utf8')).toContain(`'${subject}'`)
    const all = (): readonly string[] => used.map((path) => readFileSync(fileOf(path), 'utf8'))
    const first = all()
    make()
    expect(all()).toEqual(first)
    make(['renew'])
    expect(all().map((each, i) => each === first[i])).toEqual(used.map((path) => !/server\.pem|client\.pem/.test(path)))
  })

  test('are what a server reaches its database by, as its URL says; without its own, or with another authority, it does not', async ({ skip }) => {
    make(['renew'], { NAMES: 'IP:127.0.0.1,DNS:localhost' })
    const database: MongoServer = await standIn([
      '--tls-cert-file', fileOf(argument('tlsCertificateKeyFile')), '--tls-key-file', fileOf(argument('tlsCertificateKeyFile')), '--tls-ca-file', fileOf(argument('tlsCAFile')), '--tls-require-client-cert'
    ], [...url().matchAll(/&(tls\w*=[^&]+)/g)].map(([, one]) => one!.replace('/run/', `${dir}/`)).join('&'))
    if (database.missing !== null) skip(`not run here: ${database.missing}`)
    const open = (more: string) => openMongoStore({ url: more, now: Date.now, selectionMs: 600 })
    const store = await open(database.url)
    await store.health()
    await store.close()
    await expect(open(database.url.replace(/&tlsCertificateKeyFile=[^&]+/, ''))).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(open(database.url.replace(/&tlsCAFile=[^&]+/, ''))).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(open(database.url.replace(/&tls.*/, ''))).rejects.toBeInstanceOf(StoreUnavailable)
    await database.end()
  })
})
