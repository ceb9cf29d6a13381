import { at, count, distinct, has, hasChoice, implies, objectsAt, type Test } from './words.ts'
import { isObject, type Json } from '../walk.ts'

const CORE = 'http://hl7.org/fhir/StructureDefinition'
const elements = (x: Json, view: 'snapshot' | 'differential'): Json[] => objectsAt(x, `${view}.element`)
const allElements = (x: Json): Json[] => [...elements(x, 'snapshot'), ...elements(x, 'differential')]
const pathOf = (element: Json | undefined): string => typeof element?.path === 'string' ? element.path : ''
const isRoot = (element: Json): boolean => !pathOf(element).includes('.')
const identified = (list: readonly Json[]): boolean => list.every((element) => has(element, 'id'))
  && distinct(list.map((element) => element.id))

const TYPE_CODE = /^[a-zA-Z0-9]+$/
const SNAPSHOT_TYPE_CODE = /^[a-zA-Z0-9.]+$/
const SYSTEM_TYPE = /^http:\/\/hl7\.org\/fhirpath\/System\.[A-Z][A-Za-z]+$/
const typeCodes = (list: readonly Json[], pattern: RegExp): boolean =>
  list.flatMap((element) => at(element, 'type.code')).every((code) =>
    typeof code === 'string' && (pattern.test(code) || SYSTEM_TYPE.test(code)))

const SLICE_NAME = /^[a-zA-Z0-9/\-_[\]@]+$/
const PATH_STEP = /^[^\s.,:;'"/|?!@#$%&*()[\]{}]{1,64}(\[x\])?(:[^\s.]+)?$/
const COUNTED = /^\d+$/
const PATTERN_TYPES: ReadonlySet<unknown> = new Set(['Reference', 'canonical'])

/** Invariants of ElementDefinition and StructureDefinition, by key. */
export const DEFINITION_RULES: Readonly<Record<string, Test>> = {
  'eld-1': (x) => has(x, 'discriminator') || has(x, 'description'),
  'eld-2': (x) => !has(x, 'min') || !has(x, 'max') || x.max === '*' || Number(x.min) <= Number(x.max),
  'eld-3': (x) => (x as unknown) === '*' || COUNTED.test(String(x)),
  'eld-4': (x) => !has(x, 'aggregation') || PATTERN_TYPES.has(x.code),
  'eld-5': (x) => !has(x, 'contentReference') || (['type', 'example', 'maxLength', 'binding'].every((name) => !has(x, name))
    && ['defaultValue', 'fixed', 'pattern', 'minValue', 'maxValue'].every((name) => !hasChoice(x, name))),
  'eld-6': (x) => !hasChoice(x, 'fixed') || count(x, 'type') <= 1,
  'eld-7': (x) => !hasChoice(x, 'pattern') || count(x, 'type') <= 1,
  'eld-8': (x) => !hasChoice(x, 'pattern') || !hasChoice(x, 'fixed'),
  // As R4 writes it the expression holds for every element: its select() yields a boolean per type.
  'eld-11': () => true,
  'eld-12': (x) => !has(x, 'valueSet') || /^(http:|https|urn:)/.test(String(x.valueSet)),
  'eld-13': (x) => distinct(at(x, 'type.code')),
  'eld-14': (x) => distinct(at(x, 'constraint.key')),
  'eld-15': (x) => !hasChoice(x, 'defaultValue') || !has(x, 'meaningWhenMissing'),
  'eld-16': (x) => !has(x, 'sliceName') || SLICE_NAME.test(String(x.sliceName)),
  'eld-17': (x) => PATTERN_TYPES.has(x.code) || !has(x, 'targetProfile'),
  'eld-18': (x) => implies(x.isModifier === true, has(x, 'isModifierReason')),
  'eld-19': (x) => pathOf(x).split('.').every((step) => PATH_STEP.test(step)),
  'eld-22': (x) => implies(has(x, 'sliceIsConstraining'), has(x, 'sliceName')),
  'sdf-1': (x) => x.derivation === 'constraint' || distinct(elements(x, 'snapshot').map(pathOf)),
  'sdf-2': (x) => has(x, 'name') || has(x, 'uri'),
  'sdf-3': (x) => objectsAt(x, 'element').every((element) => has(element, 'definition') && has(element, 'min') && has(element, 'max')),
  'sdf-4': (x) => x.abstract === true || has(x, 'baseDefinition'),
  'sdf-5': (x) => x.type !== 'Extension' || x.derivation === 'specialization' || has(x, 'context'),
  'sdf-6': (x) => has(x, 'snapshot') || has(x, 'differential'),
  'sdf-8': (x, walk) => {
    const [first, ...rest] = objectsAt(x, 'element')
    return (walk.resource.kind === 'logical' || pathOf(first) === walk.resource.type)
      && rest.every((element) => pathOf(element).startsWith(`${pathOf(first)}.`))
  },
  'sdf-8a': (x, walk) => {
    const [first, ...rest] = objectsAt(x, 'element')
    const root = pathOf(first).replace(/\..*/s, '')
    return (walk.resource.kind === 'logical' || pathOf(first).startsWith(String(walk.resource.type)))
      && rest.every((element) => pathOf(element).startsWith(`${root}.`))
  },
  'sdf-8b': (x) => objectsAt(x, 'element').every((element) => has(element, 'base')),
  'sdf-9': (x) => allElements(x).filter(isRoot)
    .every((element) => !has(element, 'label') && !has(element, 'code') && !has(element, 'requirements')),
  'sdf-10': (x) => !isObject(x.binding) || has(x.binding, 'valueSet') || has(x.binding, 'description'),
  'sdf-11': (x) => x.kind === 'logical' || !has(x, 'snapshot') || pathOf(elements(x, 'snapshot')[0]) === x.type,
  'sdf-14': (x) => allElements(x).every((element) => has(element, 'id')),
  'sdf-15': (x) => x.kind === 'logical' || elements(x, 'snapshot')[0]?.type === undefined,
  'sdf-15a': (x) => {
    const [first] = elements(x, 'differential')
    return x.kind === 'logical' || first === undefined || !isRoot(first) || !has(first, 'type')
  },
  'sdf-16': (x) => identified(elements(x, 'snapshot')),
  'sdf-17': (x) => identified(elements(x, 'differential')),
  'sdf-18': (x) => implies(has(x, 'contextInvariant'), x.type === 'Extension'),
  'sdf-19': (x) => implies(isCore(x), typeCodes(elements(x, 'differential'), TYPE_CODE)
    && typeCodes(elements(x, 'snapshot'), SNAPSHOT_TYPE_CODE)),
  'sdf-20': (x) => objectsAt(x, 'element').filter(isRoot).every((element) => !has(element, 'slicing')),
  'sdf-21': (x) => implies(elements(x, 'differential').some((element) => hasChoice(element, 'defaultValue')),
    x.derivation === 'specialization'),
  'sdf-22': (x) => implies(isCore(x), !allElements(x).some((element) => hasChoice(element, 'defaultValue'))),
  'sdf-23': (x) => allElements(x).filter(isRoot).every((element) => !has(element, 'sliceName'))
}

const isCore = (x: Json): boolean => typeof x.url === 'string' && x.url.startsWith(CORE)
