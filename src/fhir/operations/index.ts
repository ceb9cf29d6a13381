import type { OperationRoute } from '../routes.ts'
import { docref } from './docref.ts'
import { encounterEverything, patientEverything } from './everything.ts'
import { expand } from './expand.ts'
import { lastN } from './lastn.ts'
import { lookup } from './lookup.ts'
import { meta, metaAdd, metaDelete } from './meta.ts'
import type { OperationDefinition } from './operation.ts'
import { subsumes } from './subsumes.ts'
import { codeSystemValidateCode, valueSetValidateCode } from './validate-code.ts'
import { validate } from './validate.ts'

/** Every operation. */
export const operations: readonly OperationDefinition[] = [
  patientEverything, encounterEverything, lastN, docref, expand, valueSetValidateCode, codeSystemValidateCode, lookup, subsumes, validate, meta, metaAdd, metaDelete
]

/** What the router knows of them. */
export const operationRoutes: readonly OperationRoute[] = operations

/** The operation of that name on a type; of a request to the system where the type is null. */
export const operationOf = (code: string, type: string | null): OperationDefinition | undefined =>
  operations.find((definition) => definition.code === code && (type === null ? definition.levels.includes('system') : definition.resourceTypes?.includes(type) ?? true))
