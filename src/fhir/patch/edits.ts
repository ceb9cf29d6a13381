/** Changes to single elements in place. The lists of a repeating primitive and of its companions stay side by side. */
import type { Prop } from '../validate/shapes.ts'
import { type Element, isObject, type JsonObject, type Place } from './elements.ts'

/** A value to store; `companion` holds the id and the extensions of a primitive. */
export interface NewValue {
  readonly prop: Prop
  readonly value: unknown
  readonly companion: unknown
}

export function setElement(holder: JsonObject, { prop, value, companion }: NewValue): void {
  put(holder, prop.key, value)
  put(holder, `_${prop.key}`, companion)
}

function put(holder: JsonObject, key: string, value: unknown): void {
  if (value === undefined) delete holder[key]
  else holder[key] = value
}

export function replaceElement(element: Element & { readonly place: Place }, fresh: NewValue): void {
  const { holder, prop, index } = element.place
  if (index === null) {
    if (fresh.prop !== prop) removeElement(element)
    setElement(holder, fresh)
  } else editLists(holder, prop, (list, isCompanion) => void (list[index] = (isCompanion ? fresh.companion : fresh.value) ?? null))
}

export const insertElement = (holder: JsonObject, fresh: NewValue, index: number): void =>
  editLists(holder, fresh.prop, (list, isCompanion) => void list.splice(index, 0, (isCompanion ? fresh.companion : fresh.value) ?? null))

export const moveElement = (holder: JsonObject, prop: Prop, from: number, to: number): void =>
  editLists(holder, prop, (list) => void list.splice(to, 0, ...list.splice(from, 1)))

export function removeElement({ place }: { readonly place: Place }): void {
  const { holder, prop, index } = place
  if (index === null) setElement(holder, { prop, value: undefined, companion: undefined })
  else editLists(holder, prop, (list) => void list.splice(index, 1))
  prune(place.parent)
}

export const lengthOf = (holder: JsonObject, prop: Prop): number =>
  Math.max(...[prop.key, `_${prop.key}`].map((key) => (Array.isArray(holder[key]) ? (holder[key] as unknown[]).length : 0)))

/** Lets both lists of an element be changed alike; a list that holds nothing is left out. */
function editLists(holder: JsonObject, prop: Prop, edit: (list: unknown[], isCompanion: boolean) => void): void {
  const length = lengthOf(holder, prop)
  for (const [key, isCompanion] of [[prop.key, false], [`_${prop.key}`, true]] as const) {
    if (isCompanion && prop.check === null) continue
    const known = Array.isArray(holder[key]) ? (holder[key] as unknown[]) : []
    const list = Array.from({ length }, (_, at) => known[at] ?? null)
    edit(list, isCompanion)
    put(holder, key, list.every((item) => item === null) ? undefined : list)
  }
}

/** FHIR has no empty elements: what holds nothing after a removal goes with it. */
function prune(element: Element): void {
  const { place, value } = element
  if (place === null) return
  const { holder, prop, index } = place
  if (element.shape !== null) {
    if (isObject(value) && Object.keys(value).length === 0) removeElement({ place })
    return
  }
  // The companion of a primitive, when its last extension went.
  const key = `_${prop.key}`
  const companion = index === null ? holder[key] : (holder[key] as unknown[] | undefined)?.[index]
  if (!isObject(companion) || Object.keys(companion).length > 0) return
  if (value === undefined || value === null) removeElement({ place })
  else if (index === null) delete holder[key]
  else editLists(holder, prop, (list, isCompanion) => void (isCompanion && (list[index] = null)))
}
