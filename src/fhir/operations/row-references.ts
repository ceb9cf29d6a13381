/**
 * What rows refer to beside each other. A name, `Type/id` or whatever a reference says, is one object for all rows of a patient, so that whether
 * it is shown is a mark on it, and not looked up among a thousand texts for each of some thousands.
 */
import { memoized } from '../../model/memo.ts'
import { type Ref, refText } from '../../model/resource.ts'
import { ROWS_A_LOOK, takingTurns } from '../../model/turns.ts'
import { parseReference } from '../../search/references.ts'
import type { Row, Seen } from '../../store/ports.ts'

interface Name {
  readonly text: string
  /** The call that met it last, and whether as the name of one of its rows. */
  met: object | null
  shown: boolean
}

type Names = Map<string, Name>

interface Named { readonly own: Name; readonly references: readonly Name[] }

/** References in these rows to others; most rows are of the patients of the first. */
export async function referencesBeside(rows: readonly Seen[], base: string): Promise<readonly Ref[]> {
  const of = rows[0]?.row.patients ?? []
  const names = namesUnder(of)
  const named: Named[] = []
  const turn = takingTurns(ROWS_A_LOOK)
  for (let at = 0; at < rows.length; at++) {
    const seen = rows[at]!
    // What a mask left of a row is its caller's alone and is looked through each time.
    named.push(!seen.masked && seen.row.patients === of ? ofRow(seen.row) : namedIn(names, seen.row, seen.json()))
    const pause = turn()
    if (pause !== undefined) await pause
  }
  const call = {}
  const refs = new Map<string, Ref>()
  for (const text of textsBeside(named, call)) {
    const parsed = parseReference(text, base)
    if (parsed === null || !('type' in parsed)) continue
    const name = names.get(refText(parsed))
    if (name === undefined || name.met !== call || !name.shown) refs.set(refText(parsed), { type: parsed.type, id: parsed.id })
  }
  return [...refs.values()]
}

/** Without a pause: another call would set marks of its own. Some ten nanoseconds a reference. */
function textsBeside(named: readonly Named[], call: object): readonly string[] {
  for (const { own } of named) {
    own.met = call
    own.shown = true
  }
  const texts: string[] = []
  for (const { references } of named) {
    for (const name of references) {
      if (name.met === call) continue
      name.met = call
      name.shown = false
      texts.push(name.text)
    }
  }
  return texts
}

const under = new WeakMap<readonly string[], Names>()

/** Rows of a patient name the very same list of patients, as long as the patient's key is held. */
function namesUnder(patients: readonly string[]): Names {
  let names = under.get(patients)
  if (names === undefined) under.set(patients, (names = new Map()))
  return names
}

const ofRow = memoized((row: Row): Named => namedIn(namesUnder(row.patients), row, row.json))

function namedIn(names: Names, row: Row, json: Uint8Array): Named {
  const nameOf = (text: string): Name => {
    let name = names.get(text)
    if (name === undefined) names.set(text, (name = { text, met: null, shown: false }))
    return name
  }
  return { own: nameOf(refText(row)), references: referenceTexts(json).map(nameOf) }
}

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
