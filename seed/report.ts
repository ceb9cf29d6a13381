import type { Answer } from './client.ts'
import type { Shipment } from './bundles.ts'

export interface FileReport {
  readonly name: string
  readonly outcome: 'loaded' | 'skipped' | 'failed'
  /** Entries answered 201, by resource type. */
  readonly created: ReadonlyMap<string, number>
  /** Entries whose resource was there already, by resource type. */
  readonly present: ReadonlyMap<string, number>
  /** One line each. */
  readonly problems: readonly string[]
}

export interface LoadReport {
  readonly loaded: number
  readonly skipped: number
  readonly failed: readonly FileReport[]
  readonly created: ReadonlyMap<string, number>
  readonly present: ReadonlyMap<string, number>
}

const PROBLEMS_MAX = 20

/** What came of one bundle: each entry must be answered 201, or 200 or 412 where its resource was there already. */
export function fileReport(name: string, { types, putOnce }: Shipment, answer: Answer): FileReport {
  const created = new Map<string, number>()
  const present = new Map<string, number>()
  const body = answer.body as { readonly entry?: readonly ResponseEntry[] } | null
  if (answer.status !== 200) return failedReport(name, issuesOf(answer.body, `${answer.status}`))
  const entries = body?.entry ?? []
  if (entries.length !== types.length) return failedReport(name, [`the server answered ${entries.length} entries of ${types.length}`])
  const problems = types.flatMap((type, at) => {
    const { response } = entries[at]!
    const status = Number(response?.status?.slice(0, 3))
    if (status === 201) return count(created, type)
    if (status === 200 || (status === 412 && putOnce[at] === true)) return count(present, type)
    return issuesOf(response?.outcome, `entry ${at} (${type}) ${response?.status ?? 'has no status'}`)
  })
  return { name, outcome: problems.length === 0 ? 'loaded' : 'failed', created, present, problems: problems.slice(0, PROBLEMS_MAX) }
}

export const failedReport = (name: string, problems: readonly string[]): FileReport =>
  ({ name, outcome: 'failed', created: new Map(), present: new Map(), problems: problems.slice(0, PROBLEMS_MAX) })

export const skippedReport = (name: string): FileReport => ({ name, outcome: 'skipped', created: new Map(), present: new Map(),
  problems: [] })

export function loadReport(files: Iterable<FileReport>): LoadReport {
  const all = [...files]
  return {
    loaded: all.filter(({ outcome }) => outcome === 'loaded').length, skipped: all.filter(({ outcome }) => outcome === 'skipped').length,
    failed: all.filter(({ outcome }) => outcome === 'failed'), created: sum(all.map((each) => each.created)),
    present: sum(all.map((each) => each.present))
  }
}

/** The table for stdout, and below it the failed files with what the server said. */
export function summary({ loaded, skipped, failed, created, present }: LoadReport): string {
  const types = [...new Set([...created.keys(), ...present.keys()])].sort()
  const rows = types.map((type) => [type, created.get(type) ?? 0, present.get(type) ?? 0] as const)
  const totals = ['total', total(created), total(present)] as const
  const width = Math.max(5, ...types.map(({ length }) => length))
  const line = ([type, made, there]: readonly [string, number | string,
    number | string]): string => `${type.padEnd(width)}  ${String(made).padStart(9)}  ${String(there).padStart(13)}`
  const table = [line(['type', 'created', 'already there']), ...[...rows, totals].map(line)]
  const problems = failed.flatMap(({ name, problems: lines }) => [`failed: ${name}`, ...lines.map((text) => `  ${text}`)])
  return [...(types.length === 0 ? [] : table), `files: ${loaded} loaded, ${skipped} skipped (there already), ${failed.length} failed`,
    ...problems].join('\n')
}

interface ResponseEntry {
  readonly response?: { readonly status?: string; readonly outcome?: unknown }
}

interface IssueLike {
  readonly code?: string
  readonly diagnostics?: string
  readonly details?: { readonly text?: string }
  readonly expression?: readonly string[]
}

function issuesOf(outcome: unknown, where: string): readonly string[] {
  const issues = (outcome as { readonly issue?: readonly IssueLike[] } | null | undefined)?.issue
  if (!Array.isArray(issues) || issues.length === 0) return [`${where}: no OperationOutcome`]
  return issues.map(({ code, diagnostics, details, expression }: IssueLike) =>
    `${where}: ${diagnostics ?? details?.text ?? code ?? 'no text'}${expression === undefined ? '' : ` (${expression.join(', ')})`}`)
}

function count(counts: Map<string, number>, type: string): readonly string[] {
  counts.set(type, (counts.get(type) ?? 0) + 1)
  return []
}

function sum(maps: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const all = new Map<string, number>()
  for (const counts of maps) for (const [type, number] of counts) all.set(type, (all.get(type) ?? 0) + number)
  return all
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, number) => all + number, 0)
