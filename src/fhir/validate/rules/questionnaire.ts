import { count, distinct, has, hasChoice, implies, type Test } from './words.ts'
import { isObject } from '../walk.ts'

const LENGTH_TYPES: ReadonlySet<unknown> = new Set(['boolean', 'decimal', 'integer', 'string', 'text', 'url', 'open-choice'])
const OPTION_TYPES: ReadonlySet<unknown> = new Set(['choice', 'open-choice', 'decimal', 'integer', 'date', 'dateTime', 'time', 'string',
  'quantity'])

/** Invariants of Questionnaire, by key. */
export const QUESTIONNAIRE_RULES: Readonly<Record<string, Test>> = {
  'que-1': (x) => implies(x.type === 'group', has(x, 'item')) && implies(x.type === 'display', !has(x, 'item')),
  'que-2': (x) => distinct(linkIds(x)),
  'que-3': (x) => x.type !== 'display' || !has(x, 'code'),
  'que-4': (x) => !has(x, 'answerOption') || !has(x, 'answerValueSet'),
  'que-5': (x) => OPTION_TYPES.has(x.type) || (!has(x, 'answerValueSet') && !has(x, 'answerOption')),
  'que-6': (x) => x.type !== 'display' || (!has(x, 'required') && !has(x, 'repeats')),
  'que-7': (x) => implies(x.operator === 'exists', !hasChoice(x, 'answer') || has(x, 'answerBoolean')),
  'que-8': (x) => (x.type !== 'group' && x.type !== 'display') || !has(x, 'initial'),
  'que-9': (x) => x.type !== 'display' || !has(x, 'readOnly'),
  'que-10': (x) => LENGTH_TYPES.has(x.type) || !has(x, 'maxLength'),
  'que-11': (x) => !has(x, 'answerOption') || !has(x, 'initial'),
  'que-12': (x) => implies(count(x, 'enableWhen') > 2, has(x, 'enableBehavior')),
  'que-13': (x) => x.repeats === true || count(x, 'initial') <= 1
}

function linkIds(value: unknown): unknown[] {
  if (!isObject(value)) return []
  const items = Array.isArray(value.item) ? value.item as unknown[] : []
  return [...(value.linkId === undefined ? [] : [value.linkId]), ...items.flatMap(linkIds)]
}
