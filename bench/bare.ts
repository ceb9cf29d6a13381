/** What is compared with: an Express handler that answers the same bytes, and does nothing else. */
import express from 'express'

const bodies = new Map<string, Buffer>()
process.on('message', (message: { readonly bodies?: Readonly<Record<string, string>> }) => {
  for (const [url, body] of Object.entries(message.bodies ?? {})) bodies.set(url, Buffer.from(body))
  if (message.bodies !== undefined) process.send?.({ taken: true })
})

const app = express()
app.get('/fhir/R4/:type', answer)
app.get('/fhir/R4/:type/:id', answer)
app.post(['/fhir/R4', '/fhir/R4/:type'], express.json({ type: 'application/fhir+json', limit: '50mb' }), (request, response) => {
  response.status(201).type('application/fhir+json').send(JSON.stringify(request.body))
})
app.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.({ listening: true }))

function answer(request: express.Request, response: express.Response): void {
  const body = bodies.get(request.url)
  if (body === undefined) response.sendStatus(404)
  else response.type('application/fhir+json').send(body)
}
