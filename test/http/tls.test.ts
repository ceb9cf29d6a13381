import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type SecureVersion } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorld, type World } from './harness.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)('TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-tls-'))
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
  let world: World
  beforeAll(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', certFile, '-days', '1', '-subj', '/CN=localhost'], { stdio: 'ignore' })
    world = await openWorld({ config: { tls: { certFile, keyFile }, fhirBase: 'https://localhost/fhir/R4' } })
  })
  afterAll(async () => {
    await world.close()
    rmSync(dir, { recursive: true })
  })

  const handshake = async (version: SecureVersion, port = world.port): Promise<string | null> => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' })
    try {
      await once(socket, 'secureConnect')
      return socket.getProtocol()
    } catch {
      return null
    } finally {
      socket.destroy()
    }
  }

  it('is 1.2 or newer', async () => {
    expect([await handshake('TLSv1.3'), await handshake('TLSv1.2'), await handshake('TLSv1.1'), await handshake('TLSv1')]).toEqual(['TLSv1.3', 'TLSv1.2', null, null])
  })

  it('is what the server refuses: the same client reaches a server that takes 1.1', async () => {
    const old = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }).listen(0, '127.0.0.1')
    await once(old, 'listening')
    expect(await handshake('TLSv1.1', (old.address() as AddressInfo).port)).toBe('TLSv1.1')
    old.close()
  })

  it('has no plain HTTP beside it', async () => {
    await expect(fetch(`http://127.0.0.1:${world.port}/health`)).rejects.toThrow()
  })
})
