/** What rows refer to beside each other. */
import { byText, memoized, memoizedList } from '../../model/memo.ts'
import { type Ref, refText } from '../../model/resource.ts'
import { ROWS_A_LOOK, takingTurns } from '../../model/turns.ts'
import { parseReference } from '../../search/references.ts'
import type { Row, Seen } from '../../store/ports.ts'

/** References in these rows to others, each once. What a mask left of a row is its caller's alone and is looked through each time. */
export function referencesBeside(rows: readonly Seen[], base: string): Promise<readonly Ref[]> {
  if (!rows.some(({ masked }) => masked)) return ofWhole(base)(rows.map(({ row }) => row))
  return beside(rows.map(({ row }) => row), (row, at) => (rows[at]!.masked ? referenceTexts(rows[at]!.json()) : ofRow(row)), base)
}

const ofWhole = byText((base) => memoizedList((rows: readonly Row[]) => beside(rows, ofRow, base)))

async function beside(rows: readonly Row[], textsOf: (row: Row, at: number) => readonly string[], base: string): Promise<readonly Ref[]> {
  const texts = new Set<string>()
  const shown = new Set<string>()
  const turn = takingTurns(ROWS_A_LOOK)
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!
    shown.add(refText(row))
    for (const text of textsOf(row, at)) texts.add(text)
    const pause = turn()
    if (pause !== undefined) await pause
  }
  const refs = new Map<string, Ref>()
  for (const text of texts) {
    const parsed = shown.has(text) ? null : parseReference(text, base)
    if (parsed === null || !('type' in parsed) || shown.has(refText(parsed))) continue
    refs.set(refText(parsed), { type: parsed.type, id: parsed.id })
  }
  return [...refs.values()]
}

const ofRow = memoized((row: Row): readonly string[] => referenceTexts(row.json))

const REFERENCE = Buffer.from('"reference":"')
const QUOTE = 0x22

/** Found in the bytes: a quote within a string is escaped, so the pattern is nowhere but where it says. References are ASCII where they are ours. */
function referenceTexts(json: Uint8Array): readonly string[] {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength)
  const texts = new Set<string>()
  for (let at = bytes.indexOf(REFERENCE); at >= 0;) {
    const start = at + REFERENCE.length
    const end = bytes.indexOf(QUOTE, start)
    texts.add(bytes.toString('latin1', start, end))
    at = bytes.indexOf(REFERENCE, end)
  }
  return [...texts]
}
