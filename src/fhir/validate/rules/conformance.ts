import { at, count, distinct, has, implies, objectsAt, type Test } from './words.ts'
import { isObject, type Json } from '../walk.ts'

const described: Test = (x) => has(x, 'description') || has(x, 'software') || has(x, 'implementation')
const instance: Test = (x) => x.kind !== 'instance' || has(x, 'implementation')
const capability: Test = (x) => x.kind !== 'capability' || (!has(x, 'implementation') && has(x, 'software'))
const requirements: Test = (x) => x.kind !== 'requirements' || (!has(x, 'implementation') && !has(x, 'software'))
const oneAction: Test = (x) => has(x, 'operation') !== has(x, 'assert')

const ASSERTED = ['contentType', 'expression', 'headerField', 'minimumId', 'navigationLinks', 'path', 'requestMethod', 'resource',
  'responseCode', 'response', 'validateProfileId']
const WITHOUT_TARGET: ReadonlySet<unknown> = new Set(['capabilities', 'search', 'transaction', 'history'])
const oneAssertion: Test = (x) => has(x, 'extension') || ASSERTED.filter((name) => has(x, name)).length <= 1
const compared: Test = (x) => !has(x, 'compareToSourceId') !== (has(x, 'compareToSourceExpression') || has(x, 'compareToSourcePath'))
const directed: Test = (x) => (!has(x, 'response') && !has(x, 'responseCode') && x.direction === 'request') || !has(x, 'direction')
  || x.direction === 'response'
const targeted: Test = (x) => has(x, 'sourceId') || count(x, 'targetId') + count(x, 'url') + count(x, 'params') === 1
  || WITHOUT_TARGET.has(at(x, 'type.code')[0])

/** Invariants of the conformance, terminology and testing resources, by key. */
export const CONFORMANCE_RULES: Readonly<Record<string, Test>> = {
  'cmd-1': (x) => has(x, 'comment') || !has(x, 'equivalence') || (x.equivalence !== 'narrower' && x.equivalence !== 'inexact'),
  'cmd-2': (x) => implies(x.mode === 'fixed', has(x, 'code')),
  'cmd-3': (x) => implies(x.mode === 'other-map', has(x, 'url')),
  'cpb-1': (x) => has(x, 'rest') || has(x, 'messaging') || has(x, 'document'),
  'cpb-2': described,
  'cpb-3': (x) => objectsAt(x, 'messaging.endpoint').length === 0 || x.kind === 'instance',
  'cpb-7': (x) => distinct(objectsAt(x, 'document').map((one) => `${String(one.profile)} ${String(one.mode)}`)),
  'cpb-9': (x) => distinct(at(x, 'resource.type')),
  'cpb-12': (x) => distinct(at(x, 'searchParam.name')),
  'cpb-14': instance,
  'cpb-15': capability,
  'cpb-16': requirements,
  'csd-1': (x) => distinct(conceptCodes(x.concept)),
  'ig-1': (x) => new Set(at(x, 'resource.groupingId')).isSubsetOf(new Set(at(x, 'grouping.id'))),
  'ig-2': (x) => at(x, 'definition.resource.fhirVersion').every((version) => at(x, 'fhirVersion').includes(version)),
  'inv-1@TestReport.setup.action': oneAction,
  'inv-2': oneAction,
  'md-1': (x) => x.max === '*' || Number(x.max) > 0,
  'mea-1': (x) => objectsAt(x, 'group.stratifier').every((one) =>
    (has(one, 'code') || has(one, 'description') || has(one, 'criteria')) !== has(one, 'component')),
  'opd-1': (x) => has(x, 'type') || has(x, 'part'),
  'opd-2': (x) => implies(has(x, 'searchType'), x.type === 'string'),
  'opd-3': (x) => implies(has(x, 'targetProfile'), x.type === 'Reference' || x.type === 'canonical'),
  'smp-1': (x) => implies(has(x, 'element'), has(x, 'context')),
  'smp-2': (x) => implies(has(x, 'context'), has(x, 'contextType')),
  'spd-1': (x) => !has(x, 'xpath') || has(x, 'xpathUsage'),
  'spd-2': (x) => !has(x, 'chain') || x.type === 'reference',
  'tcp-1': (x) => count(x, 'version') <= 1 || objectsAt(x, 'version').every((one) => has(one, 'code')),
  'tcp-2': described,
  'tcp-3': instance,
  'tcp-4': capability,
  'tcp-5': requirements,
  'tst-1': oneAction,
  'tst-2': oneAction,
  'tst-3': (x) => !has(x, 'expression') || !has(x, 'headerField') || !has(x, 'path'),
  'tst-4': (x) => at(x, 'capability.required').length > 0 || at(x, 'capability.validated').length > 0,
  'tst-5': oneAssertion,
  'tst-6': oneAssertion,
  'tst-7': targeted,
  'tst-8': targeted,
  'tst-9': targeted,
  'tst-10': compared,
  'tst-11': compared,
  'tst-12': directed,
  'tst-13': directed,
  'vsd-1': (x) => has(x, 'valueSet') || has(x, 'system'),
  'vsd-2': (x) => implies(has(x, 'concept') || has(x, 'filter'), has(x, 'system')),
  'vsd-3': (x) => !has(x, 'concept') || !has(x, 'filter'),
  'vsd-6': (x) => has(x, 'code') || has(x, 'display'),
  'vsd-9': (x) => has(x, 'code') || x.abstract === true,
  'vsd-10': (x) => !has(x, 'code') || has(x, 'system')
}

/** Of all concepts, nested ones included. */
function conceptCodes(concepts: unknown): unknown[] {
  if (!Array.isArray(concepts)) return []
  return (concepts as unknown[]).filter(isObject).flatMap((concept: Json) => [concept.code, ...conceptCodes(concept.concept)])
}
