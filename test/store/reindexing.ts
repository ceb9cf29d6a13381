/** What the tests of `reindex` share: a package, systems that know it or do not, and how a search was made. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../src/config.ts'
import { contentOf, type PackageContent } from '../../src/fhir/packages/content.ts'
import { packageFolder } from '../../src/fhir/packages/folder.ts'
import { usePackaged } from '../../src/search/parameters.ts'
import type { RecordStore } from '../../src/store/ports.ts'
import { openSystem, type System } from '../../src/system.ts'
import { idsOf, type Harness, type Json } from '../harness.ts'
import { requestOf, SYSTEM_CALLER } from '../fhir/property/world.ts'
import { packageOf } from '../packages.ts'

const parameter = (base: string, code: string, type: string, expression: string, more: object = {}): Json =>
  ({ resourceType: 'SearchParameter', url: `http://guide.example/${base}-${code}`, code, type, base: [base], expression, ...more })

/** One of each kind, on a type of patients and on one of nobody's. */
export const PARAMETERS: readonly Json[] = [
  parameter('Observation', 'bodypartwords', 'string', 'Observation.bodySite.text'), parameter('Observation', 'way', 'token', 'Observation.method'),
  parameter('Observation', 'issued-at', 'date', 'Observation.issued'), parameter('Observation', 'assayer', 'reference', 'Observation.performer', { target: ['Practitioner', 'Organization', 'Patient'] }),
  parameter('Observation', 'rule', 'uri', 'Observation.implicitRules'), parameter('Observation', 'state', 'token', 'Observation.status'),
  parameter('Practitioner', 'training', 'string', 'Practitioner.qualification.code.text'), parameter('Patient', 'nickname', 'string', "Patient.name.where(use = 'nickname').given")
]

export const guide = (parameters: readonly Json[] = PARAMETERS, more: object = {}): Buffer => packageOf(parameters, more)

/** What a process knows is set for the whole process: two of them in one take turns. */
export async function as<T>(packages: readonly Buffer[], work: (known: readonly PackageContent[]) => Promise<T>): Promise<T> {
  const known = packages.map(contentOf)
  usePackaged(known.flatMap(({ searchParameters }) => searchParameters))
  return await work(known)
}

export async function install(dir: string, archive: Buffer): Promise<void> {
  mkdirSync(dir, { recursive: true })
  await packageFolder(join(dir, 'packages')).add(archive)
}

/** A system beside a server, as a command or another process opens it. */
export async function openBeside(config: Config, packages: readonly Buffer[], slot: 'cli' | 'server' = 'cli'): Promise<System> {
  return as(packages, (known) => openSystem({ config, slot, packages: known }))
}

/** Of a system's store from now on: so few records a page, and `before` is told of each commit that carries terms, and of the end of the scan. Undone by what it returns. */
export function watched({ records }: System, before: (batch: number | 'end') => Promise<void> = async () => undefined, page = 3): () => void {
  const { scan, commit } = records
  let batch = 0
  const watching: Pick<RecordStore, 'scan' | 'commit'> = {
    async scan(after, limit) {
      const found = await scan.call(records, after, Math.min(page, limit))
      if (found.length === 0) await before('end')
      return found
    },
    async commit(each) {
      if ((each.terms ?? []).length > 0) await before(++batch)
      return commit.call(records, each)
    }
  }
  Object.assign(records, watching)
  return () => void Object.assign(records, { scan, commit })
}

export interface Found { readonly status: number; readonly ids: readonly string[]; readonly opened: number; readonly text: string }

/** Ids, and how many rows were opened to find them. */
export async function found(server: Harness, token: string, path: string): Promise<Found> {
  const { status, json } = await server.ask(token, 'GET', `${path}&_explain=true`)
  const text: string = (json.entry ?? []).map((entry: Json) => entry.resource).find(({ resourceType }: Json) => resourceType === 'OperationOutcome')?.issue[0].diagnostics ?? json.issue?.[0].diagnostics ?? ''
  const rows = { entry: (json.entry ?? []).filter((entry: Json) => entry.search?.mode === 'match') }
  return { status, ids: idsOf(rows).map((id) => id.split('/')[1]!), opened: Number(/; (\d+) opened/.exec(text)?.[1] ?? -1), text }
}

/** Writes a resource by a system that has no HTTP. */
export async function putBy(system: System, resource: Json): Promise<void> {
  const { status } = await system.handle({ ...requestOf('update', resource.resourceType, [], resource.id), body: { resource } }, SYSTEM_CALLER)
  if (status !== 200 && status !== 201) throw new Error(`not stored: ${status}`)
}
