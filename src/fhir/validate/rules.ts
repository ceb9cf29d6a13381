import type { ElementDefinition } from './element-definition.ts'
import { BUNDLE_RULES, fullUrlAgrees } from './rules/bundle.ts'
import { CLINICAL_RULES } from './rules/clinical.ts'
import { CONFORMANCE_RULES } from './rules/conformance.ts'
import { DATATYPE_RULES } from './rules/datatypes.ts'
import { DEFINITION_RULES } from './rules/definitions.ts'
import { QUESTIONNAIRE_RULES } from './rules/questionnaire.ts'
import type { Test } from './rules/words.ts'

/** An invariant of R4. `test` gets the element it stands on; true = kept. */
export interface Rule {
  readonly key: string
  readonly human: string
  readonly test: Test
}

/** The invariants of severity `error` that stand on an element, but for those that the walk itself checks. */
export function rulesOf(element: ElementDefinition): readonly Rule[] {
  const declared = (element.constraint ?? []).filter(({ key, severity }) => severity === 'error' && !WALKED.has(key))
    .map(({ key, human }) => ({ key, human, test: testOf(key, element.path) }))
  return [...declared, ...WORDED[element.path] ?? []]
}

/** What R4 demands in the definition of an element and not by an invariant; the key is the element's name. */
const WORDED: Readonly<Record<string, readonly Rule[]>> = {
  'Bundle.entry': [{ key: 'fullUrl', human: 'The fullUrl agrees with the type and the id of the resource', test: fullUrlAgrees }]
}

function testOf(key: string, path: string): Test {
  const test = RULES.get(`${key}@${path}`) ?? RULES.get(key)
  if (test === undefined) throw new Error(`The invariant ${key} of ${path} is not written`)
  return test
}

/** ele-1, ext-1, dom-2 to dom-5, ref-1 and the narrative's own are checked by check.ts, references.ts and narrative.ts. */
const WALKED: ReadonlySet<string> = new Set(['ele-1', 'ext-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5', 'ref-1', 'txt-1', 'txt-2'])

const TABLES = [DATATYPE_RULES, CLINICAL_RULES, BUNDLE_RULES, QUESTIONNAIRE_RULES, CONFORMANCE_RULES, DEFINITION_RULES]
const RULES: ReadonlyMap<string, Test> = new Map(TABLES.flatMap((rules) => Object.entries(rules)))
