import type { InteractionDefinition } from '../exchange.ts'
import { historyInstance } from './history.ts'
import { read, vread } from './read.ts'
import { searchSystem, searchType } from './search.ts'
import { create, remove, update } from './write.ts'

/** Every interaction on a type or an instance, and the search of several types. batch and transaction (fhir/bundle) run these again, entry by entry. */
export const interactions: readonly InteractionDefinition[] = [read, vread, historyInstance, searchType, searchSystem, create, update, remove]

export const interactionOf = (code: string): InteractionDefinition | undefined => interactions.find((definition) => definition.code === code)
