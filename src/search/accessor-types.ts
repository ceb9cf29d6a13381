import model from 'fhirpath/fhir-context/r4'

/** One JSON property under which an element may lie, and the FHIR type (or backbone path) of what lies there. */
export interface Property { readonly key: string; readonly type: string }

/**
 * R4's own element types, from the model tables of the `fhirpath` package. A type is a FHIR type name (`Quantity`), or the path
 * of a backbone element (`Patient.contact`).
 */
export function propertiesOf(type: string, element: string): readonly Property[] {
  const key = `${type}.${element}`
  let found = known.get(key)
  if (found === undefined) known.set(key, (found = lookUp(type, element)))
  return found
}

/** Whether a value of `type` is one of `wanted`, inheritance included (`code` is a `string`, `Age` a `Quantity`). */
export function isType(type: string, wanted: string): boolean {
  for (let at: string | undefined = type; at !== undefined; at = model.type2Parent[at]) if (at === wanted) return true
  return false
}

/** The FHIR type that a caller sees: a backbone path is `BackboneElement`. */
export const publicType = (type: string): string => (type.includes('.') ? 'BackboneElement' : type)

const known = new Map<string, readonly Property[]>()

function lookUp(type: string, element: string): readonly Property[] {
  for (let at: string | undefined = type; at !== undefined; at = parentOf(at)) {
    const declared = `${at}.${element}`
    const path = model.pathsDefinedElsewhere[declared] ?? declared
    const choices: readonly string[] | undefined = model.choiceTypePaths[path]
    if (choices !== undefined) return choices.map((suffix) => ({ key: element + suffix, type: typeOfSuffix(suffix) }))
    const named = model.path2Type[path]
    if (named !== undefined) return [{ key: element, type: typeOf(named, path, at) }]
  }
  return []
}

const parentOf = (type: string): string | undefined => (type.includes('.') ? 'BackboneElement' : model.type2Parent[type])

function typeOf(named: string, path: string, owner: string): string {
  if (named === 'BackboneElement' || named === 'Element') return path
  if (named === 'System.String') return path.endsWith('.id') && isType(owner, 'Resource') ? 'id' : 'string'
  return named
}

function typeOfSuffix(suffix: string): string {
  const primitive = suffix[0]!.toLowerCase() + suffix.slice(1)
  return primitive in model.type2Parent ? primitive : suffix
}
