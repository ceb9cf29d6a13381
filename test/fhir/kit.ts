/** Resources, bundles and answers that the tests of this folder share. */
import { expect } from 'vitest'
import type { Harness, Json, Reply } from '../harness.ts'

export const SYSTEM_URL = 'urn:test'

export const patient = (family: string, more: object = {}): Json => ({ resourceType: 'Patient', name: [{ family }], ...more })

export const identified = (value: string, more: object = {}): Json => patient('Identified', { identifier: [{ system: SYSTEM_URL, value }], ...more })

export const observation = (subject: string | null, more: object = {}): Json => ({
  resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  ...(subject === null ? {} : { subject: { reference: subject } }), ...more
})

export const organization = (name: string, more: object = {}): Json => ({ resourceType: 'Organization', name, ...more })

/** An entry of a batch or transaction. */
export const entry = (method: string, url: string, resource?: object, more: { fullUrl?: string; request?: object } = {}): Json => ({
  ...(more.fullUrl === undefined ? {} : { fullUrl: more.fullUrl }), ...(resource === undefined ? {} : { resource }), request: { method, url, ...more.request }
})

export const bundle = (type: 'batch' | 'transaction', entries: readonly object[]): Json => ({ resourceType: 'Bundle', type, ...(entries.length === 0 ? {} : { entry: entries }) })

/** Status, first issue code and first expression: what a refusal is asserted by. */
export function refusal(reply: Reply): readonly [number, string | undefined, string | undefined] {
  expect(reply.json?.resourceType, reply.text).toBe('OperationOutcome')
  const issue = reply.json.issue[0]
  return [reply.status, issue.code, issue.expression?.[0]]
}

/** Statuses of the entries of a batch-response or transaction-response. */
export const statuses = (reply: Reply): readonly number[] => {
  expect(reply.status, reply.text).toBe(200)
  return reply.json.entry.map((one: Json) => Number(one.response.status.slice(0, 3)))
}

/** Rows of a type that the token's bearer sees. */
export async function countOf(server: Harness, token: string, type: string): Promise<number> {
  const reply = await server.ask(token, 'GET', `${type}?_summary=count`)
  expect(reply.status, reply.text).toBe(200)
  return reply.json.total
}

/** Path after the FHIR base of a link of the bundle; undefined where it has none of that relation. */
export function linkOf(server: Harness, bundleJson: Json, relation: string): string | undefined {
  const url: string | undefined = bundleJson.link?.find((link: Json) => link.relation === relation)?.url
  if (url === undefined) return undefined
  expect([`${server.base}/`, `${server.base}?`].some((start) => url.startsWith(start))).toBe(true)
  return url.slice(server.base.length).replace(/^\//, '')
}

/** All pages from a first path, as lists of `Type/id`. */
export async function pages(server: Harness, token: string, first: string): Promise<readonly (readonly string[])[]> {
  const found: string[][] = []
  for (let path: string | undefined = first; path !== undefined;) {
    const reply: Reply = await server.ask(token, 'GET', path)
    expect(reply.status, reply.text).toBe(200)
    found.push((reply.json.entry ?? []).map((one: Json) => `${one.resource.resourceType}/${one.resource.id}`))
    path = linkOf(server, reply.json, 'next')
  }
  return found
}
