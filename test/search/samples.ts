import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Resource } from '../../src/model/resource.ts'

/** The resources of Synthea's bundles as a server stores them: `urn:uuid:` and conditional references resolved. */
export function synthea(dir: string): Resource[] {
  const texts = readdirSync(join(dir, 'synthea')).filter((name) => name.endsWith('.json')).map((name) => readFileSync(join(dir, 'synthea', name), 'utf8'))
  const places = new Map<string, string>()
  for (const text of texts) {
    for (const { fullUrl, resource } of (JSON.parse(text) as Batch).entry) {
      places.set(fullUrl, `${resource.resourceType}/${resource.id}`)
      for (const { system, value } of (resource.identifier ?? []) as { system: string; value: string }[]) places.set(`${resource.resourceType}?identifier=${system}|${value}`, `${resource.resourceType}/${resource.id}`)
    }
  }
  const resolve = (key: string, value: unknown): unknown => (key === 'reference' && typeof value === 'string' ? places.get(value) ?? value : value)
  return texts.flatMap((text) => (JSON.parse(text, resolve) as Batch).entry.map(({ resource }) => resource))
}

/** The instance examples of the R4 specification. */
export function examples(dir: string): Resource[] {
  return readdirSync(join(dir, 'r4-examples')).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(dir, 'r4-examples', name), 'utf8')) as Resource)
    .filter(({ resourceType }) => typeof resourceType === 'string')
}

/** Numbers in [0, 1) that are the same in every run. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Batch { readonly entry: readonly { readonly fullUrl: string; readonly resource: Resource }[] }
