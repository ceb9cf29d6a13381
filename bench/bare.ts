/** What is compared with: an Express handler that answers the same bytes, and does nothing else. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express from 'express'

const bodies = new Map<string, Buffer>()
process.on('message', (message: { readonly bodies?: Readonly<Record<string, string>> }) => {
  for (const [url, body] of Object.entries(message.bodies ?? {})) bodies.set(url, Buffer.from(body))
  if (message.bodies !== undefined) process.send?.({ taken: true })
})

const app = express()
app.get('/fhir/R4/:type', answer)
app.get('/fhir/R4/:type/:id', answer)
app.get('/fhir/R4/:type/:id/:operation', stream)
app.post(['/fhir/R4', '/fhir/R4/:type'], express.json({ type: 'application/fhir+json', limit: '50mb' }), (request, response) => {
  response.status(201).type('application/fhir+json').send(JSON.stringify(request.body))
})
app.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.({ listening: true }))

function answer(request: express.Request, response: express.Response): void {
  const body = bodies.get(request.url)
  if (body === undefined) response.sendStatus(404)
  else response.type('application/fhir+json').send(body)
}

const CHUNK_BYTES = 65_536

/** What an operation answers is large: it is sent piece by piece, without the hash of all of it that `send` makes for an ETag. */
async function stream(request: express.Request, response: express.Response): Promise<void> {
  const body = bodies.get(request.url)
  if (body === undefined) return void response.sendStatus(404)
  response.type('application/fhir+json').setHeader('content-length', body.length)
  const chunks = Array.from({ length: Math.ceil(body.length / CHUNK_BYTES) }, (_, i) => body.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
  await pipeline(Readable.from(chunks), response)
}
