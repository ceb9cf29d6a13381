/** Strings that must be found nowhere, and the search for them in every form in which they could lie in a file. */
import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every canary starts with it, so that one search finds all of them, cut off ones too. */
const STEM = 'Zqxjvkwy'
/** What is left of a canary that was cut after so many letters is still looked for. */
const CUT = 6

/** The stem and eight random letters: it is an id, a code, a name and a token alike. */
export const canary = (): string => `${STEM}${Array.from({ length: 8 }, () => String.fromCharCode(97 + randomInt(26))).join('')}`

export interface Needle {
  readonly form: string
  readonly bytes: Buffer
  /** Looked for in the file with its capital letters made small. */
  readonly anyCase: boolean
}

/** The stem as text in three encodings, reversed, in hexadecimal and in base64 at each offset; the canaries' own letters as text. */
export function needlesFor(canaries: readonly string[], numbers: readonly number[] = []): readonly Needle[] {
  const head = STEM.slice(0, CUT).toLowerCase()
  const text = (form: string, bytes: Buffer): Needle => ({ form, bytes, anyCase: true })
  return [
    text('text', Buffer.from(head)), text('reversed', Buffer.from([...head].reverse().join(''))),
    text('utf16le', Buffer.from(head, 'utf16le')), text('utf16be', Buffer.from(head, 'utf16le').swap16()),
    ...[STEM, STEM.toLowerCase(), STEM.toUpperCase()].flatMap((each) => [
      text('hexadecimal', Buffer.from(Buffer.from(each.slice(0, CUT)).toString('hex'))),
      ...[0, 1, 2].map((offset): Needle => ({ form: `base64 at ${offset}`, bytes: base64At(each, offset), anyCase: false }))
    ]),
    ...canaries.map((each) => text('the end of one', Buffer.from(each.slice(-8).toLowerCase()))),
    ...numbers.flatMap((number) => [text('a number as text', Buffer.from(String(number))), ...doubles(number)])
  ]
}

/** The letters of base64 that the stem alone decides when it stands `offset` bytes after the start of a group. */
function base64At(text: string, offset: number): Buffer {
  const coded = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]).toString('base64')
  return Buffer.from(coded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + text.length) * 8) / 6)))
}

function doubles(number: number): readonly Needle[] {
  const little = Buffer.alloc(8)
  little.writeDoubleLE(number)
  return [little, Buffer.from(little).reverse()].map((bytes) => ({ form: 'a number as a double', bytes, anyCase: false }))
}

/** `place: form` of each needle found. */
export function foundIn(place: string, bytes: Buffer, needles: readonly Needle[]): readonly string[] {
  const small = Buffer.from(bytes)
  for (let at = 0; at < small.length; at++) if (small[at]! >= 65 && small[at]! <= 90) small[at]! += 32
  return needles.filter(({ bytes: needle, anyCase }) => (anyCase ? small : bytes).includes(needle)).map(({ form, bytes: needle }) => `${place}: ${form} (${needle.toString('latin1')})`)
}

/** Every file below a folder, by its path there. Names are searched like contents. */
export function filesBelow(dir: string): readonly { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return { name: path.slice(dir.length + 1), bytes: readFileSync(path) }
  })
}

export const foundBelow = (dir: string, needles: readonly Needle[]): readonly string[] =>
  filesBelow(dir).flatMap(({ name, bytes }) => [...foundIn(name, bytes, needles), ...foundIn(`name of ${name}`, Buffer.from(name), needles)])
