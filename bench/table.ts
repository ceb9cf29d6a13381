/** Figures as text. */
import { type Figures, median } from './rounds.ts'

/** The first figure is what the others are compared with. */
export function table(figures: readonly Figures[]): string {
  const [bare] = figures
  const rows = figures.map((each) => [
    each.name, each.perSecond.toFixed(0), each.p50.toFixed(2), each.p99.toFixed(2), each.cpu.toFixed(0),
    ratio(bare!, each).toFixed(3), (each.perSecond / bare!.perSecond).toFixed(3), (each.rss / 2 ** 20).toFixed(0)
  ])
  return columns([['', 'per s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU ratio', 'rate ratio', 'RSS MiB'], ...rows])
}

/** Ratios of CPU are medians of the ratios of each turn, so that a slow moment of the machine moves neither side alone. */
const ratio = (one: Figures, other: Figures): number => median(one.turns.map((cpu, turn) => cpu / other.turns[turn]!))

/** CPU of the bare handler, which comes first, over that of the last. */
export const share = (figures: readonly Figures[]): number => ratio(figures[0]!, figures.at(-1)!)
/** CPU of the last, which has more, over that of the one before it. */
export const growth = (figures: readonly Figures[]): number => ratio(figures.at(-1)!, figures.at(-2)!)

/** One line of what a run ends with: what was measured, and what it should be. */
export interface Bar { readonly name: string; readonly measured: string; readonly bar: string; readonly verdict: 'met' | 'MISSED' | '' }

export const atLeast = (name: string, value: number, bar: number): Bar => ({ name, measured: value.toFixed(3), bar: `≥ ${bar}`, verdict: value >= bar ? 'met' : 'MISSED' })
export const atMost = (name: string, value: number, bar: number): Bar => ({ name, measured: value.toFixed(2), bar: `≤ ${bar}`, verdict: value <= bar ? 'met' : 'MISSED' })
export const noBar = (name: string, value: number): Bar => ({ name, measured: value.toFixed(3), bar: '', verdict: '' })

export const bars = (all: readonly Bar[]): string =>
  columns([['', 'measured', 'bar', ''], ...all.map(({ name, measured, bar, verdict }) => [name, measured, bar, verdict])])

/** The first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ').trimEnd()).join('\n')
}
