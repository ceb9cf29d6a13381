/** Re-indents JSON text without parsing it, so that decimals keep their digits. The text must be valid JSON. */
export function pretty(json: string): string {
  let out = ''
  let depth = 0
  const line = () => `\n${'  '.repeat(depth)}`
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '}' || token === ']') {
      depth -= 1
      out += out.endsWith('{') || out.endsWith('[') ? token : line() + token
      continue
    }
    if (out.endsWith('{') || out.endsWith('[')) out += line()
    out += token
    if (token === '{' || token === '[') depth += 1
    else if (token === ',') out += line()
    else if (token === ':') out += ' '
  }
  return out
}
