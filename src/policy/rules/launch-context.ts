import { isId } from '../criteria.ts'
import { ofOnePatient } from '../patient-side.ts'
import type { Rule } from './rule.ts'

/** patient/ scopes reach the patient of the launch and nobody else; without one they grant nothing. */
export const launchContext: Rule = {
  name: 'launch-context',
  narrow: (grant, ask) => {
    if (grant.context !== 'patient') return [grant]
    return isId(ask.caller.patient) ? ofOnePatient(grant, ask, ask.caller.patient) : []
  }
}
