import { type CompositeValue, componentParams } from '../parameters.ts'
import type { ElementTest, ParamValue, SearchParam } from '../query.ts'
import { dateKind } from './date.ts'
import { formOf, type Kind, type MatchContext, NO_TERMS, notIndexed } from './kind.ts'
import { numberKind } from './number.ts'
import { quantityKind } from './quantity.ts'
import { referenceKind } from './reference.ts'
import { stringKind } from './string.ts'
import { tokenKind } from './token.ts'
import { splitUnescaped } from './text.ts'
import { uriKind } from './uri.ts'

/** `a$b`: both hold on one and the same element. https://hl7.org/fhir/R4/search.html#composite */
export const compositeKind: Kind = {
  plain: {
    parse: (text, param, context) => {
      const kinds = componentsOf(param)
      const parts = splitUnescaped(text, '$')
      if (kinds === null || parts.length !== kinds.length) return null
      const of: ParamValue[] = []
      for (const [i, { kind, param: component }] of kinds.entries()) {
        const value = parts[i] === '' ? null : kind.plain.parse(parts[i]!, component, context)
        if (value === null) return null
        of.push(value)
      }
      return { kind: 'composite', of }
    },
    matches: (value, typed, context) => {
      if (value.kind !== 'composite') return false
      const { components } = typed.value as CompositeValue
      return value.of.every((part, i) => {
        const kind = SIMPLE[part.kind]
        return kind !== undefined && (components[i] ?? []).some((each) => kind.plain.matches(part, each, context))
      })
    },
    asks: notIndexed
  },
  modifiers: {},
  operators: {
    element: {
      parse: () => null,
      matches: (value, typed, context) => value.kind === 'element' && elementHolds(value.test, typed.value as CompositeValue, context),
      asks: notIndexed
    }
  },
  terms: () => NO_TERMS
}

function elementHolds(test: ElementTest, element: CompositeValue, context: MatchContext): boolean {
  switch (test.kind) {
    case 'and': return test.of.every((each) => elementHolds(each, element, context))
    case 'or': return test.of.some((each) => elementHolds(each, element, context))
    case 'not': return !elementHolds(test.of, element, context)
    case 'part': {
      const kind = SIMPLE[test.value.kind]
      const form = kind === undefined ? undefined : formOf(kind, test.modifier)
      if (form === undefined) throw new Error('No form matches a component')
      return (element.components[test.part] ?? []).some((each) => form.matches(test.value, each, context))
    }
  }
}

/** The kinds a component can have, by the kind of its value. */
const SIMPLE: Readonly<Record<string, Kind | undefined>> = {
  string: stringKind, token: tokenKind, reference: referenceKind, date: dateKind, number: numberKind, quantity: quantityKind, uri: uriKind
}

/** R4 names the definitions of its components the wrong way round: `relatesto`, a reference, for the code, and `relation` for the target. */
const MISNAMED = 'DocumentReference.relationship'

export interface Component { readonly param: SearchParam; readonly kind: Kind }
const known = new WeakMap<SearchParam, readonly Component[] | null>()

/** The components of a composite parameter; null where one of them is of a kind that has no values of its own. */
export function componentsOf(param: SearchParam): readonly Component[] | null {
  let found = known.get(param)
  if (found === undefined) {
    const parts = `${param.type}.${param.code}` === MISNAMED ? componentParams(param).toReversed() : componentParams(param)
    const all = parts.flatMap((component) => {
      const kind = SIMPLE[component.kind]
      return kind === undefined ? [] : [{ param: component, kind }]
    })
    found = all.length === parts.length && all.length > 1 ? all : null
    known.set(param, found)
  }
  return found
}

/** The parameter whose index serves a composite one: its first component's. */
export const leadingParam = (param: SearchParam): SearchParam | null => componentsOf(param)?.[0]?.param ?? null
