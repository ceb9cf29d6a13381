import type { TypedValue } from '../parameters.ts'
import type { ParamType, SearchParam } from '../query.ts'
import { compositeKind } from './composite.ts'
import { dateKind } from './date.ts'
import type { Kind, MatchContext } from './kind.ts'
import { numberKind } from './number.ts'
import { quantityKind } from './quantity.ts'
import { referenceKind } from './reference.ts'
import { stringKind } from './string.ts'
import { tokenKind } from './token.ts'
import { uriKind } from './uri.ts'

/** The table of parameter types; null: parameters of that type are not answered (`_filter`, `_text`, `near`). */
const KINDS: Readonly<Record<ParamType, Kind | null>> = {
  string: stringKind, token: tokenKind, reference: referenceKind, date: dateKind, quantity: quantityKind, number: numberKind, uri: uriKind,
  composite: compositeKind, special: null
}

/** How a parameter's values are read and matched; null where R4 gives it no elements to look at. */
export const kindOf = (param: SearchParam): Kind | null => (param.expression === '' ? null : KINDS[param.kind])

/** `_lastUpdated` is the row's own time where the store gave one, and not what the content says. */
export function ownValues(param: SearchParam, context: MatchContext): readonly TypedValue[] | null {
  if (param.code !== '_lastUpdated' || context.updated === undefined) return null
  return [{ type: 'instant', value: new Date(context.updated).toISOString() }]
}
