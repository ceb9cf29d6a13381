import { fault } from '../model/errors.ts'
import { credentialsMisplaced, credentialsMissing } from '../oauth/challenge.ts'
import type { Exchange, ServerOptions, Step } from './exchange.ts'
import type { Pair } from '../fhir/query-string.ts'

/** Bearer token of the one Authorization header → caller (RFC 6750 §2.1). Synchronous where the verifier is. */
export function authenticate(verify: ServerOptions['verify']): Step {
  return (exchange) => {
    checkRepeats(exchange)
    const caller = verify(bearerOf(exchange.incoming.headers.authorization))
    if (!(caller instanceof Promise)) {
      exchange.caller = caller
      return undefined
    }
    return caller.then((found) => {
      exchange.caller = found
      return undefined
    })
  }
}

/** RFC 6750 §2.2, §2.3 are not offered: a token in a URL ends in logs and histories, so it is refused even beside a good header. */
export function refuseTokenIn(params: readonly Pair[]): void {
  for (const [name] of params) if (name.toLowerCase() === 'access_token') throw credentialsMisplaced()
}

function bearerOf(header: string | undefined): string {
  if (header === undefined) throw credentialsMissing()
  const match = /^bearer +([\x21-\x7e]+)$/i.exec(header)
  if (match?.[1] === undefined || match[1].includes(',')) throw credentialsMisplaced()
  return match[1]
}

/** Headers that change the answer and must be there once. Node keeps the first of some and joins others; neither is safe to guess about. */
const singles = new Set(['authorization', 'content-type', 'content-encoding', 'content-length', 'if-match', 'if-none-match', 'if-none-exist', 'if-modified-since', 'host'])

function checkRepeats({ incoming: { rawHeaders } }: Exchange): void {
  let seen: string[] | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    if (!singles.has(name)) continue
    if (seen?.includes(name)) throw name === 'authorization' ? credentialsMisplaced() : fault(400, 'invalid', `The header ${name} must not be repeated`)
    seen = seen === undefined ? [name] : [...seen, name]
  }
}
