import { takingTurns } from '../model/turns.ts'

/** Re-indents JSON text without parsing it, so that decimals keep their digits, in time linear in its length and in turns. The text must be valid JSON. */
export async function pretty(json: string): Promise<string> {
  const turn = takingTurns()
  const out: string[] = []
  let depth = 0
  let opened = false
  for (const [token] of json.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']'
    if (closes) depth -= 1
    // A bracket that closes what holds something, and the first token of what does, stand on lines of their own.
    if (closes !== opened) out.push(lineAt(depth))
    out.push(token)
    opened = token === '{' || token === '['
    if (opened) depth += 1
    else if (token === ',') out.push(lineAt(depth))
    else if (token === ':') out.push(' ')
    const pause = turn()
    if (pause !== undefined) await pause
  }
  return out.join('')
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g

const lines: string[] = []
const lineAt = (depth: number): string => (lines[depth] ??= `\n${'  '.repeat(depth)}`)
