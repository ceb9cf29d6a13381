import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, settingsTable } from '../../src/config.ts'

const refusal = (env: Record<string, string>): string => {
  try {
    loadConfig(env)
  } catch (error) {
    return error instanceof Error ? error.message : 'no Error'
  }
  return 'accepted'
}

describe('settings', () => {
  it('has the defaults of the outside contract', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({
      port: 8080, host: '127.0.0.1', baseUrl: 'http://127.0.0.1:8080', fhirBase: 'http://127.0.0.1:8080/fhir/R4', workers: 1, rateLimitPerMinute: 60_000,
      corsOrigins: [], trustProxy: [], tls: null, logLevel: 'info', trustedIssuersFile: null, policyFile: null,
      store: { kind: 'sqlite', path: resolve('data/wardkeep.db') }, keys: { kind: 'file', dir: resolve('data/keys'), underDataDir: true }
    })
    expect(config.bounds).toEqual({
      bodyBytesMax: 5 * 1024 ** 2, bodyBytesLargeMax: 50 * 1024 ** 2, bodyBytesInline: 1024 ** 2, formBytesMax: 256 * 1024, entriesMax: 1_000, entriesLargeMax: 20_000,
      scanRecordsMax: 10_000, chainDepthMax: 4, chainMatchesMax: 2_000, sortRecordsMax: 10_000, includedRecordsMax: 2_000, orValuesMax: 200, filterTestsMax: 100, filterDepthMax: 16, textCharsMax: 150_000, matchWorkMax: 500_000, chainSearchesMax: 32, expansionCodesMax: 20_000, expansionValuesMax: 2_000, includesMax: 10, countMax: 1_000, countDefault: 50, jsonDepthMax: 100,
      urlBytesMax: 8_192, headerBytesMax: 32_768, paramsMax: 64
    })
    expect(config.timeouts).toMatchObject({ headersMs: 10_000, bodyMs: 30_000, writeStallMs: 30_000, drainMs: 30_000 })
  })

  it('takes every named setting, and an empty variable as absent', () => {
    const config = loadConfig({
      PORT: '9000', HOST: '0.0.0.0', BASE_URL: 'https://ehr.example.org/clinic/', DATA_DIR: '/var/wk', STORE_URL: 'sqlite:/var/wk/a.db', KEY_URL: 'file:///etc/wk', POLICY_FILE: '',
      TRUST_PROXY: '10.0.0.7, 10.1.0.0/16', CORS_ORIGINS: 'https://app.example,http://localhost:3000', RATE_LIMIT: '5', BODY_BYTES_MAX: '1000', SCAN_RECORDS_MAX: '7', LOG_LEVEL: 'warn', WARDKEEP_DATA: '/x'
    })
    expect(config).toMatchObject({
      port: 9000, baseUrl: 'https://ehr.example.org/clinic', fhirBase: 'https://ehr.example.org/clinic/fhir/R4', store: { path: '/var/wk/a.db' },
      keys: { dir: '/etc/wk', underDataDir: false }, trustProxy: ['10.0.0.7', '10.1.0.0/16'], corsOrigins: ['https://app.example', 'http://localhost:3000'],
      rateLimitPerMinute: 5, logLevel: 'warn', policyFile: null, bounds: { bodyBytesMax: 1000, scanRecordsMax: 7 }
    })
  })

  const bad: readonly [name: string, env: Record<string, string>][] = [
    ['PORT', { PORT: '65536' }], ['PORT', { PORT: '8080x' }], ['PORT', { PORT: '-1' }], ['PORT', { PORT: '1e3' }], ['PORT', { PORT: ' 80' }],
    ['HOST', { HOST: 'a b' }], ['BASE_URL', { BASE_URL: 'ftp://x' }], ['BASE_URL', { BASE_URL: 'https://u:secret@x' }], ['BASE_URL', { BASE_URL: 'https://x?a=1' }],
    ['BASE_URL', { BASE_URL: 'https://x#f' }], ['BASE_URL', { BASE_URL: 'https://X.example' }], ['BASE_URL', { BASE_URL: 'x' }], ['STORE_URL', { STORE_URL: 'mongodb:secret' }],
    ['STORE_URL', { STORE_URL: 'mongodb:///secret' }], ['STORE_URL', { STORE_URL: 'mongodb://u:secret@h/ db' }], ['STORE_URL', { STORE_URL: 'postgres://secret' }], ['STORE_URL', { STORE_URL: 'sqlite:' }], ['KEY_URL', { KEY_URL: 'vault:secret' }],
    ['KEY_URL', { KEY_URL: 'file://host/secret' }], ['WORKERS', { WORKERS: '0' }], ['RATE_LIMIT', { RATE_LIMIT: '0' }], ['RATE_LIMIT', { RATE_LIMIT: 'off' }], ['CORS_ORIGINS', { CORS_ORIGINS: '*' }],
    ['CORS_ORIGINS', { CORS_ORIGINS: 'null' }], ['CORS_ORIGINS', { CORS_ORIGINS: 'https://a.example/' }], ['CORS_ORIGINS', { CORS_ORIGINS: 'https://a.example,*' }], ['TRUST_PROXY', { TRUST_PROXY: 'true' }],
    ['TRUST_PROXY', { TRUST_PROXY: '1' }], ['TRUST_PROXY', { TRUST_PROXY: 'loopback' }], ['TRUST_PROXY', { TRUST_PROXY: '0.0.0.0/0' }], ['TRUST_PROXY', { TRUST_PROXY: '::/0' }],
    ['TRUST_PROXY', { TRUST_PROXY: '10.0.0.1/8/8' }], ['TLS_KEY', { TLS_CERT: '/c.pem' }], ['TLS_CERT', { TLS_KEY: '/k.pem' }], ['BODY_BYTES_MAX', { BODY_BYTES_MAX: '5mb' }],
    ['BODY_BYTES_MAX', { BODY_BYTES_MAX: '0' }], ['SCAN_RECORDS_MAX', { SCAN_RECORDS_MAX: 'Infinity' }], ['LOG_LEVEL', { LOG_LEVEL: 'loud' }], ['COUNT_DEFAULT', { COUNT_DEFAULT: '2', COUNT_MAX: '1' }],
    ['WARDKEEP_PORT', { WARDKEEP_PORT: '1' }], ['WARDKEEP_TOKEN', { WARDKEEP_TOKEN: 'secret' }], ['HOST', { HOST: '0.0.0.0' }], ['HOST', { HOST: '::' }], ['HOST', { HOST: 'ehr.example' }], ['HOST', { HOST: '127.example' }]
  ]
  it.each(bad)('refuses a bad %s with one line that names it and no value: %j', (name, env) => {
    const text = refusal(env)
    expect(text.startsWith(`${name} `)).toBe(true)
    expect(text).not.toMatch(/[\r\n]|secret/)
    expect(text.length).toBeLessThan(250)
  })

  it.each([['::1', {}], ['127.8.8.8', {}], ['localhost', {}], ['0.0.0.0', { TLS_CERT: 'c', TLS_KEY: 'k' }], ['0.0.0.0', { TRUST_PROXY: '10.0.0.1' }]])('takes HOST %s with %j', (HOST, more) => {
    expect(refusal({ HOST, ...more })).toBe('accepted')
  })

  it.each(['mongodb://u:secret@h1:27017,h2/db?replicaSet=rs0', 'mongodb+srv://u:secret@cluster.example/db'])('takes %s as the store', (STORE_URL) => {
    expect(loadConfig({ STORE_URL }).store).toEqual({ kind: 'mongodb', url: STORE_URL })
  })

  it('speaks https in its default BASE_URL once it has a certificate', () => {
    expect(loadConfig({ TLS_CERT: 'c', TLS_KEY: 'k', HOST: '::1', PORT: '8443' }).baseUrl).toBe('https://[::1]:8443')
  })

  it('describes every setting in a table, the contract ones first', () => {
    expect(settingsTable.slice(0, 14).map(({ name }) => name)).toEqual(['PORT', 'HOST', 'BASE_URL', 'DATA_DIR', 'STORE_URL', 'KEY_URL', 'TRUSTED_ISSUERS', 'POLICY_FILE', 'WORKERS', 'RATE_LIMIT',
      'CORS_ORIGINS', 'TRUST_PROXY', 'TLS_CERT', 'TLS_KEY'])
    for (const { name, meaning } of settingsTable) {
      expect(name).toMatch(/^[A-Z][A-Z_]+$/)
      expect(meaning).not.toBe('')
      if (/_BYTES_/.test(name)) expect(meaning).toMatch(/^Bytes/)
      if (/_MS$/.test(name)) expect(meaning).toMatch(/^Milliseconds/)
    }
  })
})
