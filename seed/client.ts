/** The two requests that a load consists of, with patience for a server that is busy. */

export interface Answer {
  readonly status: number
  /** Parsed JSON, or null where there was none. */
  readonly body: unknown
  /** Of Retry-After, in ms; null where the server did not say. */
  readonly retryAfter: number | null
}

export interface Client {
  /** POST of a Bundle to the FHIR base. */
  post(body: Uint8Array | string): Promise<Answer>
  /** Search for a Patient by `system|value`. */
  find(identifier: string): Promise<Answer>
  /** Does the work again, a bounded number of times, while the server answers 429 or 503. */
  patiently(work: () => Promise<Answer>): Promise<Answer>
}

export interface ClientOptions {
  /** Base of the server, without /fhir/R4. */
  readonly url: string
  readonly token: string
  /** ms since 1970. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** Thrown when going on makes no sense: nobody answers, or the token is refused. One line. */
export class LoadStopped extends Error {}

const ATTEMPTS_MAX = 6
const WAIT_MS_MAX = 60_000
const WAIT_MS_FIRST = 500

export function makeClient({ url, token, now, sleep }: ClientOptions): Client {
  const base = `${url.replace(/\/+$/, '').replace(/\/fhir\/R4$/, '')}/fhir/R4`
  const request = async (path: string, init: RequestInit): Promise<Answer> => {
    const headers = { ...init.headers, authorization: `Bearer ${token}`, accept: 'application/fhir+json' }
    let response: Response
    let text: string
    try {
      response = await fetch(`${base}${path}`, { ...init, headers })
      text = await response.text()
    } catch {
      throw new LoadStopped(`no answer from ${base}. Once the server is up, load again: what is there will be skipped`)
    }
    if (response.status === 401) throw new LoadStopped('the token was refused (401)')
    return { status: response.status, body: jsonOf(text), retryAfter: delayOf(response.headers.get('retry-after'), now()) }
  }
  return {
    post: (body) => request('', { method: 'POST', body: body as NonNullable<RequestInit['body']>,
      headers: { 'content-type': 'application/fhir+json', prefer: 'return=minimal' } }),
    find: (identifier) => request(`/Patient?identifier=${encodeURIComponent(identifier.replace(/[\\$,]/g, '\\$&'))}&_count=1`, {}),
    async patiently(work) {
      for (let attempt = 1; ; attempt++) {
        const answer = await work()
        if ((answer.status !== 429 && answer.status !== 503) || attempt === ATTEMPTS_MAX) return answer
        await sleep(Math.min(answer.retryAfter ?? WAIT_MS_FIRST * 2 ** attempt, WAIT_MS_MAX))
      }
    }
  }
}

/** Retry-After: seconds or an HTTP date (RFC 9110 §10.2.3). */
function delayOf(header: string | null, now: number): number | null {
  if (header === null) return null
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isFinite(at) ? Math.max(0, at - now) : null
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
