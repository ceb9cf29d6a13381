import { isIP } from 'node:net'
import { join, resolve, sep } from 'node:path'
import { z } from 'zod'

/** Every setting of one process, checked. Sizes, counts and times carry their unit in the name. */
export interface Config {
  readonly port: number
  readonly host: string
  /** Scheme, host, port and optional path, without a trailing slash. */
  readonly baseUrl: string
  /** `baseUrl` + `/fhir/R4`: the base of every link and the default audience of tokens. */
  readonly fhirBase: string
  readonly dataDir: string
  /** A URL may hold a password: it goes to the driver and nowhere else. */
  readonly store: { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'mongodb'; readonly url: string }
  readonly keys: { readonly kind: 'file'; readonly dir: string; /** Keys beside the data protect nothing: start warns. */ readonly underDataDir: boolean }
  /** Path of a JSON file, or null. */
  readonly trustedIssuersFile: string | null
  /** Path of a JSON file, or null. */
  readonly policyFile: string | null
  readonly workers: number
  readonly rateLimitPerMinute: number
  readonly corsOrigins: readonly string[]
  readonly trustProxy: readonly string[]
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  readonly bounds: Bounds
  readonly timeouts: Timeouts
}

export interface Bounds {
  readonly bodyBytesMax: number
  readonly bodyBytesLargeMax: number
  /** From this size on a body is worked on in a worker thread. */
  readonly bodyBytesInline: number
  readonly formBytesMax: number
  readonly entriesMax: number
  readonly entriesLargeMax: number
  readonly scanRecordsMax: number
  readonly chainDepthMax: number
  readonly chainMatchesMax: number
  readonly sortRecordsMax: number
  readonly orValuesMax: number
  readonly filterTestsMax: number
  readonly filterDepthMax: number
  readonly textCharsMax: number
  readonly matchWorkMax: number
  readonly chainSearchesMax: number
  readonly includesMax: number
  readonly includedRecordsMax: number
  readonly expansionCodesMax: number
  readonly expansionValuesMax: number
  readonly countMax: number
  readonly countDefault: number
  readonly jsonDepthMax: number
  readonly urlBytesMax: number
  readonly headerBytesMax: number
  readonly paramsMax: number
}

export interface Timeouts {
  readonly headersMs: number
  readonly bodyMs: number
  readonly writeStallMs: number
  readonly keepAliveMs: number
  readonly drainMs: number
  readonly bulkStartMs: number
  readonly readyMs: number
}

export type Env = Readonly<Record<string, string | undefined>>

/** The only words that a bad setting gives: one line, the name of the setting, never its value. */
export class ConfigError extends Error {}

/** Reads every setting from `env`; throws a ConfigError of one line. An empty variable counts as absent. */
export function loadConfig(env: Env = process.env): Config {
  refuseUnknown(env)
  const raw = readAll(env)
  const tls = tlsFiles(raw.TLS_CERT, raw.TLS_KEY)
  if (!isLoopback(raw.HOST) && tls === null && raw.TRUST_PROXY.length === 0)
    throw new ConfigError('HOST is not a loopback address: set TLS_CERT and TLS_KEY, or TRUST_PROXY to the address of the proxy that ends TLS')
  if (raw.COUNT_DEFAULT > raw.COUNT_MAX) throw new ConfigError('COUNT_DEFAULT must not exceed COUNT_MAX')
  if (raw.BODY_BYTES_MAX > raw.BODY_BYTES_LARGE_MAX) throw new ConfigError('BODY_BYTES_MAX must not exceed BODY_BYTES_LARGE_MAX')
  if (raw.ENTRIES_MAX > raw.ENTRIES_LARGE_MAX) throw new ConfigError('ENTRIES_MAX must not exceed ENTRIES_LARGE_MAX')
  const baseUrl = raw.BASE_URL ?? `${tls === null ? 'http' : 'https'}://${raw.HOST.includes(':') ? `[${raw.HOST}]` : raw.HOST}:${raw.PORT}`
  const dataDir = resolve(raw.DATA_DIR)
  return Object.freeze({
    port: raw.PORT, host: raw.HOST, baseUrl, fhirBase: `${baseUrl}/fhir/R4`, dataDir,
    store: storeOf(raw.STORE_URL, dataDir), keys: keysOf(raw.KEY_URL, dataDir),
    trustedIssuersFile: raw.TRUSTED_ISSUERS, policyFile: raw.POLICY_FILE, workers: raw.WORKERS,
    rateLimitPerMinute: raw.RATE_LIMIT, corsOrigins: raw.CORS_ORIGINS, trustProxy: raw.TRUST_PROXY, tls, logLevel: raw.LOG_LEVEL,
    bounds: boundsOf(raw), timeouts: timeoutsOf(raw)
  })
}

type Raw = { readonly [Name in SettingName]: z.output<(typeof settings)[Name]['schema']> }

const boundsOf = (raw: Raw): Bounds => ({
  bodyBytesMax: raw.BODY_BYTES_MAX, bodyBytesLargeMax: raw.BODY_BYTES_LARGE_MAX, bodyBytesInline: raw.BODY_BYTES_INLINE,
  formBytesMax: raw.FORM_BYTES_MAX, entriesMax: raw.ENTRIES_MAX, entriesLargeMax: raw.ENTRIES_LARGE_MAX,
  scanRecordsMax: raw.SCAN_RECORDS_MAX, chainDepthMax: raw.CHAIN_DEPTH_MAX, chainMatchesMax: raw.CHAIN_MATCHES_MAX,
  sortRecordsMax: raw.SORT_RECORDS_MAX, orValuesMax: raw.OR_VALUES_MAX, filterTestsMax: raw.FILTER_TESTS_MAX,
  filterDepthMax: raw.FILTER_DEPTH_MAX, textCharsMax: raw.TEXT_CHARS_MAX, matchWorkMax: raw.MATCH_WORK_MAX, chainSearchesMax: raw.CHAIN_SEARCHES_MAX, includesMax: raw.INCLUDES_MAX, includedRecordsMax: raw.INCLUDED_RECORDS_MAX,
  expansionCodesMax: raw.EXPANSION_CODES_MAX, expansionValuesMax: raw.EXPANSION_VALUES_MAX,
  countMax: raw.COUNT_MAX, countDefault: raw.COUNT_DEFAULT, jsonDepthMax: raw.JSON_DEPTH_MAX,
  urlBytesMax: raw.URL_BYTES_MAX, headerBytesMax: raw.HEADER_BYTES_MAX, paramsMax: raw.PARAMS_MAX
})

const timeoutsOf = (raw: Raw): Timeouts => ({
  headersMs: raw.TIMEOUT_HEADERS_MS, bodyMs: raw.TIMEOUT_BODY_MS, writeStallMs: raw.TIMEOUT_WRITE_STALL_MS,
  keepAliveMs: raw.TIMEOUT_KEEP_ALIVE_MS, drainMs: raw.TIMEOUT_DRAIN_MS, readyMs: raw.TIMEOUT_READY_MS,
  bulkStartMs: raw.TIMEOUT_BULK_START_MS
})

/** A misspelt setting must not be silently without effect, so the whole prefix is reserved. */
function refuseUnknown(env: Env): void {
  for (const name of Object.keys(env))
    if (/^WARDKEEP_/i.test(name) && name !== 'WARDKEEP_DATA')
      throw new ConfigError(`${name.replace(/[^A-Za-z0-9_]/g, '?').slice(0, 64)} is not a setting; settings have no WARDKEEP_ prefix`)
}

function readAll(env: Env): Raw {
  const raw: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    const given = env[name]
    const parsed = setting.schema.safeParse(given === undefined || given === '' ? setting.value : given)
    if (!parsed.success) throw new ConfigError(`${name} ${parsed.error.issues[0]?.message ?? 'has a bad value'}`)
    raw[name] = parsed.data
  }
  return raw as Raw
}

function tlsFiles(certFile: string | null, keyFile: string | null): Config['tls'] {
  if (certFile === null && keyFile === null) return null
  if (certFile === null) throw new ConfigError('TLS_CERT is missing while TLS_KEY is set')
  if (keyFile === null) throw new ConfigError('TLS_KEY is missing while TLS_CERT is set')
  return { certFile: resolve(certFile), keyFile: resolve(keyFile) }
}

function storeOf(url: string | null, dataDir: string): Config['store'] {
  if (url !== null && MONGODB_URL.test(url)) return { kind: 'mongodb', url }
  return { kind: 'sqlite', path: url === null ? join(dataDir, 'wardkeep.db') : filePath(url, 'sqlite') }
}

/** The same settings on another store; throws a ConfigError where the URL is none. */
export function withStore(config: Config, url: string): Config {
  const parsed = storeUrl.safeParse(url)
  if (!parsed.success) throw new ConfigError(`A store ${parsed.error.issues[0]?.message ?? 'has a bad URL'}`)
  return { ...config, store: storeOf(url, config.dataDir) }
}

function keysOf(url: string | null, dataDir: string): Config['keys'] {
  const dir = url === null ? join(dataDir, 'keys') : filePath(url, 'file')
  return { kind: 'file', dir, underDataDir: dir === dataDir || dir.startsWith(dataDir + sep) }
}

/** `file:relative/path`, `file:/absolute/path` or `file:///absolute/path`. */
const filePath = (url: string, scheme: string): string => resolve(url.slice(scheme.length + 1).replace(/^\/\/(?=\/)/, ''))

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/* ---------- The table: default, meaning with its unit, and what is accepted. ---------- */

const MIB = 1024 * 1024

/** A whole number in plain decimal digits: `1e3`, `0x10`, ` 5` and `-0` are refused. */
const whole = (min: number, max: number) => z.string(`must be a whole number from ${min} to ${max}`)
  .refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max, `must be a whole number from ${min} to ${max}`)
  .transform(Number)

const path = z.string().refine((text) => !/[\0\r\n]/.test(text), 'must be a path').nullable()

const host = z.string().refine((text) => isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text), 'must be an IP address or a host name')

const baseUrl = z.string().nullable()
  .transform((text) => text === null ? null : text.replace(/\/+$/, ''))
  .refine((text) => text === null || isBase(text), 'must be an http or https URL in normal form (lower case, no default port), without user, query or fragment')

/** Case and default port must already be normal, since links and token audiences are compared as text. */
function isBase(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '' && !/[?#%\\]|\/\//.test(text.slice(url.protocol.length + 2))
  return plain && (url.protocol === 'http:' || url.protocol === 'https:') && url.href.replace(/\/$/, '') === text
}

const MONGODB_URL = /^mongodb(\+srv)?:\/\/[^\s/?#][^\s#]*$/

const storeUrl = z.string().nullable()
  .refine((text) => text === null || MONGODB_URL.test(text) || /^sqlite:(?!\/\/[^/])[^\0\r\n?#]+$/.test(text), 'must be sqlite:PATH, or mongodb:// or mongodb+srv:// with a host')

const keyUrl = z.string().nullable()
  .refine((text) => text === null || /^file:(?!\/\/[^/])[^\0\r\n?#]+$/.test(text), 'must be file:DIRECTORY')

const list = z.string().transform((text) => text.split(',').map((item) => item.trim()).filter((item) => item !== ''))

const origins = list.refine((items) => items.every(isOrigin), 'must list exact http or https origins separated by commas; * and null are refused')

function isOrigin(text: string): boolean {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false
  return new URL(text).origin === text
}

const proxies = list.refine((items) => items.every(isProxy), 'must list IP addresses or CIDR ranges (no wider than /8 or, for IPv6, /32), never true, a count or a name')

function isProxy(text: string): boolean {
  const [address, prefix, more] = text.split('/')
  const family = isIP(address ?? '')
  if (family === 0 || more !== undefined) return false
  if (prefix === undefined) return true
  return /^\d{1,3}$/.test(prefix) && Number(prefix) >= (family === 4 ? 8 : 32) && Number(prefix) <= (family === 4 ? 32 : 128)
}

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const logLevel = z.enum(levels, `must be one of ${levels.join(', ')}`)

interface Setting<Schema extends z.ZodType> {
  /** Default as text; null = absent. */
  readonly value: string | null
  /** Shown instead of `value` where the default depends on other settings. */
  readonly shown?: string
  readonly meaning: string
  readonly schema: Schema
}

const setting = <Schema extends z.ZodType>(value: string | null, meaning: string, schema: Schema, shown?: string): Setting<Schema> =>
  shown === undefined ? { value, meaning, schema } : { value, meaning, schema, shown }

const count = (value: number, max: number, meaning: string, min = 1) => setting(String(value), meaning, whole(min, max))

const settings = {
  PORT: count(8080, 65_535, 'TCP port to listen on; 0 = any free port', 0),
  HOST: setting('127.0.0.1', 'Address to listen on; one that is not loopback needs TLS or TRUST_PROXY', host),
  BASE_URL: setting(null, 'Public URL of the server; the FHIR base is this and /fhir/R4', baseUrl, 'http://HOST:PORT'),
  DATA_DIR: setting('./data', 'Directory of the embedded store and of the ledger', z.string().refine((text) => !/[\0\r\n]/.test(text), 'must be a path')),
  STORE_URL: setting(null, 'Where records lie', storeUrl, 'sqlite:DATA_DIR/wardkeep.db'),
  KEY_URL: setting(null, 'Where the key encryption key lies; keep it apart from DATA_DIR', keyUrl, 'file:DATA_DIR/keys'),
  TRUSTED_ISSUERS: setting(null, 'JSON file of the token issuers whose JWTs are accepted', path),
  POLICY_FILE: setting(null, 'JSON file of role policies instead of the built-in ones', path),
  WORKERS: count(1, 64, 'Server processes on this machine; they share PORT and the limits'),
  RATE_LIMIT: count(60_000, 1_000_000_000, 'Requests a minute per client, and per address'),
  CORS_ORIGINS: setting('', 'Origins of browser apps, exact, separated by commas', origins),
  TRUST_PROXY: setting('', 'Addresses of proxies whose X-Forwarded-For is believed, separated by commas', proxies),
  TLS_CERT: setting(null, 'PEM file of the certificate chain; TLS 1.2 or newer', path),
  TLS_KEY: setting(null, 'PEM file of the private key', path),
  BODY_BYTES_MAX: count(5 * MIB, 1024 * MIB, 'Bytes of a request body, inflated'),
  BODY_BYTES_LARGE_MAX: count(50 * MIB, 1024 * MIB, 'Bytes of a request body of callers with largeBundles, inflated'),
  BODY_BYTES_INLINE: count(MIB, 64 * MIB, 'Bytes of a request body above which a worker thread works on it', 0),
  FORM_BYTES_MAX: count(MIB / 4, 16 * MIB, 'Bytes of the form of a POST _search'),
  ENTRIES_MAX: count(1_000, 1_000_000, 'Entries of a batch or transaction'),
  ENTRIES_LARGE_MAX: count(20_000, 1_000_000, 'Entries of a batch or transaction of callers with largeBundles'),
  SCAN_RECORDS_MAX: count(10_000, 100_000_000, 'Records that one search may open without an index'),
  CHAIN_DEPTH_MAX: count(4, 16, 'References that one chained parameter or _has may follow'),
  CHAIN_MATCHES_MAX: count(2_000, 4_000, 'Records that one search of linked records, in a chain or _has, may match, or that a hierarchy may have'),
  CHAIN_SEARCHES_MAX: count(32, 1_000, 'Searches of linked records that the chains, _has and hierarchies of one search lead to'),
  SORT_RECORDS_MAX: count(10_000, 1_000_000, 'Records that one search may sort by a search parameter'),
  OR_VALUES_MAX: count(200, 10_000, 'Values of one parameter, separated by commas'),
  FILTER_TESTS_MAX: count(100, 10_000, 'Tests of one _filter'),
  FILTER_DEPTH_MAX: count(16, 100, 'Parentheses and brackets of one _filter within each other'),
  TEXT_CHARS_MAX: count(150_000, 100_000_000, 'Characters of one resource that _text and _content look through'),
  MATCH_WORK_MAX: count(500_000, 1_000_000_000, 'Values and characters that one search compares in one resource'),
  INCLUDES_MAX: count(10, 100, '_include and _revinclude parameters of one search'),
  INCLUDED_RECORDS_MAX: count(2_000, 100_000, 'Records that one page may include'),
  EXPANSION_CODES_MAX: count(20_000, 1_000_000, 'Concepts that one request may look at for value sets'),
  EXPANSION_VALUES_MAX: count(2_000, 100_000, 'Codes that value sets and hierarchies may bring into one search, by :in, :not-in, :above and :below'),
  COUNT_MAX: count(1_000, 10_000, 'Resources on a page, at most'),
  COUNT_DEFAULT: count(50, 10_000, 'Resources on a page without _count'),
  JSON_DEPTH_MAX: count(100, 1_000, 'Nested arrays and objects of a JSON body'),
  URL_BYTES_MAX: count(8_192, 32_768, 'Bytes of the request target'),
  HEADER_BYTES_MAX: count(32_768, 131_072, 'Bytes of all request headers', 1_024),
  PARAMS_MAX: count(64, 1_000, 'Parameters of one request, form included'),
  TIMEOUT_HEADERS_MS: count(10_000, 600_000, 'Milliseconds until all request headers are in', 10),
  TIMEOUT_BODY_MS: count(30_000, 600_000, 'Milliseconds until the whole request is in', 10),
  TIMEOUT_WRITE_STALL_MS: count(30_000, 600_000, 'Milliseconds that a client may take no byte of its answer', 10),
  TIMEOUT_KEEP_ALIVE_MS: count(65_000, 3_600_000, 'Milliseconds that an idle connection stays open', 10),
  TIMEOUT_BULK_START_MS: count(20_000, 600_000, 'Milliseconds until the worker for large bodies has opened its stores', 10),
  TIMEOUT_DRAIN_MS: count(30_000, 600_000, 'Milliseconds that requests in flight get at a stop', 10),
  TIMEOUT_READY_MS: count(5_000, 60_000, 'Milliseconds that /ready waits for store, keys and ledger', 10),
  LOG_LEVEL: setting('info', `Least level of log lines: ${levels.join(', ')}`, logLevel)
} as const

type SettingName = keyof typeof settings

/** The table of the README, in its order: name, default as an operator would write it, meaning with its unit. */
export const settingsTable: readonly { readonly name: string; readonly default: string; readonly meaning: string }[] = Object.entries(settings)
  .map(([name, setting]) => ({ name, default: setting.shown ?? setting.value ?? '', meaning: setting.meaning }))
