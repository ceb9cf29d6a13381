/** $meta, $meta-add and $meta-delete (https://hl7.org/fhir/R4/resource-operation-meta.html). A change of meta is a version like any other. */
import { fault, notFound } from '../../model/errors.ts'
import type { FhirResponse } from '../../model/interaction.ts'
import type { Coding, Meta, Ref, Resource } from '../../model/resource.ts'
import type { Seen } from '../../store/ports.ts'
import { ifMatchVersion } from '../exchange.ts'
import { jsonReply, rowHeaders } from '../reply.ts'
import type { OperationCall, OperationDefinition } from './operation.ts'

const DEFINITION = 'http://hl7.org/fhir/OperationDefinition/Resource-'

export const meta: OperationDefinition = {
  code: 'meta',
  definition: `${DEFINITION}meta`,
  levels: ['instance'],
  resourceTypes: null,
  affectsState: false,
  right: 'r',
  parameters: [],
  handler: async (call) => metaReply(await visible(call))
}

export const metaAdd: OperationDefinition = changing('meta-add', (own, given) => ({ ...own, ...lists(own, given, added, (a, b) => [...new Set([...a, ...b])]) }))

export const metaDelete: OperationDefinition = changing('meta-delete', (own, given) => ({ ...own, ...lists(own, given, without, (a, b) => a.filter((url) => !b.includes(url))) }))

/** Profiles, tags and labels only: the rest of meta is not for lists. A label is removed only by who may relabel (the guard). */
function changing(code: string, change: (own: Meta, given: Meta) => Meta): OperationDefinition {
  return {
    code,
    definition: `${DEFINITION}${code}`,
    levels: ['instance'],
    resourceTypes: null,
    affectsState: true,
    right: 'u',
    parameters: [{ name: 'meta', type: 'Meta', min: 1, max: '1' }],
    async handler(call) {
      const { exchange: { request, guarded, site }, given } = call
      if (request.type === 'AuditEvent') throw fault(405, 'not-supported', 'An AuditEvent is never changed')
      const listed = given.value('meta') as Meta
      const changed = (resource: Resource): Resource => {
        const next = { ...resource, meta: compact(change(resource.meta ?? {}, listed)) }
        // Judged when a profile is claimed anew: a tag is no reason to look at what the caller may not see.
        const isClaiming = (next.meta.profile ?? []).some((url) => !(resource.meta?.profile ?? []).includes(url))
        return isClaiming ? site.definitions.requireClaims(next) : next
      }
      const seen = await visible(call)
      const ifMatch = ifMatchVersion(request)
      // What is so already makes no version.
      const isSame = JSON.stringify(compact(change(seen.resource().meta ?? {}, listed))) === JSON.stringify(seen.resource().meta)
      return metaReply(isSame && ifMatch === null ? seen : await guarded.patch(refOf(call), ifMatch, changed))
    }
  }
}

const refOf = ({ exchange: { request } }: OperationCall): Ref => ({ type: request.type!, id: request.id! })

async function visible(call: OperationCall): Promise<Seen> {
  const seen = await call.exchange.guarded.read(refOf(call))
  if (seen === undefined) throw notFound()
  if (seen.row.deleted) throw fault(410, 'deleted', 'The resource was deleted')
  return seen
}

function metaReply(seen: Seen): FhirResponse {
  return jsonReply({ resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: seen.resource().meta ?? {} }] }, 200, rowHeaders(seen.row))
}

function lists(own: Meta, given: Meta, codings: (a: readonly Coding[], b: readonly Coding[]) => readonly Coding[], urls: (a: readonly string[], b: readonly string[]) => readonly string[]): Partial<Meta> {
  return {
    profile: urls(own.profile ?? [], given.profile ?? []),
    security: codings(own.security ?? [], given.security ?? []),
    tag: codings(own.tag ?? [], given.tag ?? [])
  }
}

const sameCoding = (a: Coding, b: Coding): boolean => a.system === b.system && a.code === b.code

const added = (a: readonly Coding[], b: readonly Coding[]): readonly Coding[] => [...a, ...b.filter((coding) => !a.some((known) => sameCoding(known, coding)))]

const without = (a: readonly Coding[], b: readonly Coding[]): readonly Coding[] => a.filter((coding) => !b.some((gone) => sameCoding(gone, coding)))

/** FHIR has no empty lists. */
const compact = (of: Meta): Meta => Object.fromEntries(Object.entries(of).filter(([, value]) => !Array.isArray(value) || value.length > 0))
