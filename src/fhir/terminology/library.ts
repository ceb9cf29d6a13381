/** Where the terminology finds value sets and code systems: R4's own, those of packages, those that a caller may read; in this order. */
import type { CodeSystem, ValueSet } from './resources.ts'

export interface Library {
  /** By canonical URL, `|version` allowed. Another version than the one asked for is none. */
  valueSet(canonical: string): ValueSet | undefined
  codeSystem(canonical: string): CodeSystem | undefined
}

/** What an earlier library has is never shadowed by a later one. */
export const layered = (libraries: readonly Library[]): Library => ({
  valueSet: (canonical) => first(libraries, (library) => library.valueSet(canonical)),
  codeSystem: (canonical) => first(libraries, (library) => library.codeSystem(canonical))
})

export function libraryOf(valueSets: readonly ValueSet[], codeSystems: readonly CodeSystem[]): Library {
  const [sets, systems] = [byUrl(valueSets), byUrl(codeSystems)]
  return { valueSet: (canonical) => versioned(canonical, (url) => sets.get(url)), codeSystem: (canonical) => versioned(canonical, (url) => systems.get(url)) }
}

/** `url|version` → the definition under the url, if it is of that version. */
export function versioned<Definition extends { readonly version?: string }>(canonical: string, find: (url: string) => Definition | undefined): Definition | undefined {
  const bar = canonical.indexOf('|')
  if (bar < 0) return find(canonical)
  const found = find(canonical.slice(0, bar))
  return found?.version === canonical.slice(bar + 1) ? found : undefined
}

function first<Found>(libraries: readonly Library[], find: (library: Library) => Found | undefined): Found | undefined {
  for (const library of libraries) {
    const found = find(library)
    if (found !== undefined) return found
  }
  return undefined
}

const byUrl = <Definition extends { readonly url?: string }>(all: readonly Definition[]): ReadonlyMap<string, Definition> =>
  new Map(all.flatMap((each) => (each.url === undefined ? [] : [[each.url, each] as const])))
