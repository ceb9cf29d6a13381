import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen { readonly method: string; readonly url: string; readonly body: string; readonly authorization: string | undefined }
export interface Reply { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string> }

export interface Stub {
  readonly url: string
  readonly seen: Seen[]
  /** The most POSTs that were open at one time. */
  readonly most: () => number
  close(): Promise<void>
}

/** An HTTP server that answers as `reply` says, a little later, and remembers what it was asked. */
export async function stubServer(reply: (asked: Seen) => Reply): Promise<Stub> {
  const seen: Seen[] = []
  let [open, most] = [0, 0]
  const server = createServer((request, response) => {
    void bodyOf(request).then(async (body) => {
      const asked = { method: request.method!, url: request.url!, body, authorization: request.headers.authorization }
      seen.push(asked)
      if (asked.method === 'POST') most = Math.max(most, ++open)
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (asked.method === 'POST') open--
      const { status, body: answer, headers } = reply(asked)
      response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers }).end(answer === undefined ? '' : JSON.stringify(answer))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, most: () => most,
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

interface Sent { readonly type: string; readonly entry: readonly { readonly request: { readonly method: string } }[] }

/** A bundle's response in which every entry was created. */
export function allCreated(body: string): Reply {
  const { type, entry } = JSON.parse(body) as Sent
  return { status: 200, body: { resourceType: 'Bundle', type: `${type}-response`, entry: entry.map(() => ({ response: { status: '201 Created' } })) } }
}

/** A batch's response in which everything was there already. */
export function allThere(body: string): Reply {
  const { type, entry } = JSON.parse(body) as Sent
  const status = ({ request }: Sent['entry'][number]): string => (request.method === 'PUT' ? '412 Precondition Failed' : '200 OK')
  return { status: 200, body: { resourceType: 'Bundle', type: `${type}-response`, entry: entry.map((each) => ({ response: { status: status(each) } })) } }
}

export const searchset = (...patients: readonly string[]): Reply =>
  ({ status: 200, body: { resourceType: 'Bundle', type: 'searchset', entry: patients.map((id) => ({ resource: { resourceType: 'Patient', id } })) } })

export const outcome = (status: number, diagnostics: string, expression?: string): Reply => ({
  status, body: { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'invalid', diagnostics, ...(expression === undefined ? {} : { expression: [expression] }) }] }
})
