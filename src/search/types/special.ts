import type { Resource } from '../../model/resource.ts'
import { type TypedValue, values } from '../parameters.ts'
import type { ParamType, SearchParam } from '../query.ts'
import { compositeKind } from './composite.ts'
import { dateKind } from './date.ts'
import type { Kind, MatchContext } from './kind.ts'
import { nearKind } from './near.ts'
import { numberKind } from './number.ts'
import { quantityKind } from './quantity.ts'
import { referenceKind } from './reference.ts'
import { familyKind, stringKind } from './string.ts'
import { tokenKind } from './token.ts'
import { uriKind } from './uri.ts'
import { wordsKind } from './words.ts'

const KINDS: Readonly<Record<Exclude<ParamType, 'special'>, Kind>> = {
  string: stringKind, token: tokenKind, reference: referenceKind, date: dateKind, quantity: quantityKind, number: numberKind, uri: uriKind,
  composite: compositeKind
}

/** Parameters with a kind of their own. */
const SPECIAL: Readonly<Record<string, Kind | undefined>> = { _text: wordsKind, _content: wordsKind, near: nearKind }

/** How a parameter's values are read and matched; null where R4 gives it no elements to look at. */
export function kindOf({ kind, code, expression, packaged }: SearchParam): Kind | null {
  if (kind === 'special') return SPECIAL[code] ?? null
  if (kind === 'string' && code === 'family' && !packaged) return familyKind
  return expression === '' ? null : KINDS[kind]
}

/** The values of a parameter on a row. `_lastUpdated` is the row's own time where the store gave one, and not what the content says. */
export function valuesOf(param: SearchParam, resource: Resource, { updated, found }: MatchContext): readonly TypedValue[] {
  switch (param.code) {
    case '_lastUpdated': return updated === undefined ? values(param, resource) : [{ type: 'instant', value: new Date(updated).toISOString() }]
    case '_content': return [{ type: resource.resourceType, value: resource }]
    case '_text': return resource.text === undefined ? [] : [{ type: 'Narrative', value: resource.text }]
    default: return found === undefined ? values(param, resource) : valuesAmong(found, param, resource)
  }
}

function valuesAmong(found: NonNullable<MatchContext['found']>, param: SearchParam, resource: Resource): readonly TypedValue[] {
  let known = found.get(param)
  if (known === undefined) found.set(param, (known = values(param, resource)))
  return known
}
