/** Figures as text. */
import type { LargeFigures } from './large.ts'
import { type Figures, median } from './rounds.ts'
import type { TermFigures } from './terms.ts'

/** The first figure is what the others are compared with. */
export function table(figures: readonly Figures[]): string {
  const [bare] = figures
  const rows = figures.map((each) => [
    each.name, each.perSecond.toFixed(0), each.p50.toFixed(2), each.p99.toFixed(2), each.cpu.toFixed(0),
    ratio(bare!, each).toFixed(3), (each.perSecond / bare!.perSecond).toFixed(3), (each.rss / 2 ** 20).toFixed(0)
  ])
  return columns([['', 'per s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU ratio', 'rate ratio', 'RSS MiB'], ...rows])
}

const ratio = (one: Figures, other: Figures): number => median(one.turns.map((cpu, turn) => cpu / other.turns[turn]!))

export interface Results {
  /** Each: bare, then the smaller store where there are two, then the larger. */
  readonly read: readonly Figures[]
  readonly readAll: readonly Figures[]
  readonly search: readonly Figures[]
  readonly searchAll: readonly Figures[]
  readonly create: readonly Figures[]
  readonly terms: TermFigures
  readonly big: LargeFigures
}

/** Ratios of CPU are medians of the ratios of each turn, so that a slow moment of the machine moves neither side alone. */
export function bars({ read, readAll, search, searchAll, create, terms, big }: Results): string {
  const share = (figures: readonly Figures[]): number => ratio(figures[0]!, figures.at(-1)!)
  const growth = (figures: readonly Figures[]): number => ratio(figures.at(-1)!, figures.at(-2)!)
  const least = (name: string, value: number, bar: number): string[] => [name, value.toFixed(3), `≥ ${bar}`, value >= bar ? 'met' : 'MISSED']
  const most = (name: string, value: number, bar: number): string[] => [name, value.toFixed(2), `≤ ${bar}`, value <= bar ? 'met' : 'MISSED']
  return columns([
    ['', 'measured', 'bar', ''],
    least('read: CPU of the bare handler / ours', share(read), 0.25),
    ['  over the whole store in turn', share(readAll).toFixed(3), '', ''],
    least('patient search of 20, likewise', share(search), 0.1),
    ['  over the whole store in turn', share(searchAll).toFixed(3), '', ''],
    least('create, likewise', share(create), 0.08),
    most('read: growth of CPU with the store', growth(read), 1.3),
    most('patient search, likewise', growth(search), 1.3),
    least('terms: expressions anew / ours', terms.ratio, 30),
    most('p99 of reads during a large transaction / before', big.duringP99 / big.idleP99, 3),
    most('answers that were errors meanwhile', big.failed, 0)
  ])
}

/** The first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ').trimEnd()).join('\n')
}
