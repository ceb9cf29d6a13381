import type { InteractionDefinition } from '../exchange.ts'
import { historyInstance, historySystem, historyType } from './history.ts'
import { operation } from './operation.ts'
import { patch } from './patch.ts'
import { read, vread } from './read.ts'
import { searchSystem, searchType } from './search.ts'
import { create, remove, update } from './write.ts'

/** Every interaction on a type or an instance, and those over several types. batch and transaction (fhir/bundle) run these again, entry by entry. */
export const interactions: readonly InteractionDefinition[] =
  [read, vread, historyInstance, historyType, historySystem, searchType, searchSystem, create, update, patch, remove, operation]

export const interactionOf = (code: string): InteractionDefinition | undefined => interactions.find((definition) => definition.code === code)
