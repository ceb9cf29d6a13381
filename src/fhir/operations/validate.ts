/** $validate (https://hl7.org/fhir/R4/resource-operation-validate.html): the answer is an OperationOutcome with status 200, good or bad. */
import { fault, FhirError, type Issue, notFound, operationOutcome } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import type { Resource } from '../../model/resource.ts'
import type { Right } from '../../store/ports.ts'
import { wholly } from '../body.ts'
import { jsonReply } from '../reply.ts'
import { validateResource } from '../validate/validate.ts'
import type { OperationCall, OperationDefinition } from './operation.ts'

export const validate: OperationDefinition = {
  code: 'validate',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate',
  levels: ['type', 'instance'],
  resourceTypes: null,
  affectsState: false,
  right: null,
  parameters: [
    { name: 'resource', type: 'Resource', min: 0, max: '1' }, { name: 'mode', type: 'code', min: 0, max: '1' }, { name: 'profile', type: 'uri', min: 0, max: '1' }
  ],
  async handler(call) {
    const { exchange: { request }, given } = call
    const mode = given.text('mode')
    if (mode !== null && !Object.hasOwn(MODES, mode)) throw fault(400, 'value', "The parameter mode is 'create', 'update', 'delete' or 'profile'")
    const right = mode === null ? null : MODES[mode as keyof typeof MODES]
    if (right !== null) call.exchange.guarded.require(request.type!, right)
    const own = given.value('resource')
    if (mode === 'delete' && own !== undefined) throw fault(400, 'invalid', 'A deletion is asked of an instance, without a resource')
    const resource = own ?? (await stored(call))
    const issues: readonly Issue[] = mode === 'delete' ? [] : [...issuesOf(resource, request, mode), ...profileIssues(resource, given.text('profile'), call)]
    const fine: Issue = { severity: 'information', code: 'informational', diagnostics: 'No fault was found' }
    return jsonReply(operationOutcome(issues.some(({ severity }) => severity === 'error') ? issues : [fine, ...issues]))
  }
}

/** The right that a mode asks about. */
const MODES: Readonly<Record<'create' | 'update' | 'delete' | 'profile', Right | null>> = { create: 'c', update: 'u', delete: 'd', profile: null }

async function stored({ exchange: { request, guarded } }: OperationCall): Promise<Resource> {
  if (request.id === null) throw fault(400, 'required', 'The parameter resource is missing')
  const seen = await guarded.read({ type: request.type!, id: request.id })
  if (seen === undefined) throw notFound()
  if (seen.row.deleted) throw fault(410, 'deleted', 'The resource was deleted')
  return seen.resource()
}

function issuesOf(resource: unknown, request: FhirRequest, mode: string | null): readonly Issue[] {
  try {
    const { id } = wholly(validateResource(resource, request.type))
    const fits = mode !== 'update' || request.id === null || id === request.id
    return fits ? [] : [{ severity: 'error', code: 'invalid', diagnostics: 'The id of the resource must be the id of the URL', expression: [`${request.type!}.id`] }]
  } catch (error) {
    if (error instanceof FhirError) return error.issues
    throw error
  }
}

/** By the profile that is asked for and by those that are claimed. One that is not known here is a fault where it is asked for, a remark where claimed. */
function profileIssues(resource: unknown, asked: string | null, { exchange: { request, site: { definitions } } }: OperationCall): readonly Issue[] {
  const type = request.type!
  if (!isResource(resource)) return []
  const { known, unknown } = definitions.claims(resource)
  const wanted = asked === null || isBase(asked, type) ? null : definitions.profile(asked)
  const issues: Issue[] = []
  if (asked !== null && !isBase(asked, type) && wanted === null) issues.push({ severity: 'error', code: 'not-supported', diagnostics: 'The profile is not known to this server' })
  for (const profile of new Set([...(wanted === null ? [] : [wanted]), ...known])) issues.push(...definitions.check(profile, resource))
  if (unknown.length > 0) issues.push({ severity: 'information', code: 'not-supported', diagnostics: 'Profiles that the resource claims are not known to this server and were not checked', expression: [`${type}.meta.profile`] })
  return issues
}

const isBase = (url: string, type: string): boolean => url.split('|')[0] === `http://hl7.org/fhir/StructureDefinition/${type}`

const isResource = (value: unknown): value is Resource => typeof value === 'object' && value !== null && typeof (value as Partial<Resource>).resourceType === 'string'
