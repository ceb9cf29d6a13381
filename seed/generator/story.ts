/** What the parts of a patient's history know of each other. */
import type { Illness } from './codes.ts'
import type { Clinician, Facility } from './facilities.ts'
import type { Code, Draft } from './parts.ts'
import type { Person } from './person.ts'
import type { Random } from './random.ts'

export interface Visit {
  readonly random: Random
  readonly draft: Draft
  readonly person: Person
  readonly facility: Facility
  readonly clinician: Clinician
  readonly type: { readonly kind: string; readonly code: Code; readonly minutes: number; readonly ill: boolean }
  /** ms since 1970. */
  readonly start: number
  readonly end: number
  /** Id of the Encounter. */
  readonly encounter: string
  readonly latest: boolean
  /** The few most usual things only. */
  readonly brief: boolean
}

/** What a patient carries from one visit to the next. */
export interface Course {
  /** Condition entry of each illness that is still active. */
  readonly active: Map<Illness, string>
  readonly waiting: Illness[]
}
