import { isNumberValue, numberOf } from '../../model/decimal.ts'
import type { ParamValue } from '../query.ts'
import { baseUnit, inBase } from '../units.ts'
import { type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { isObject, splitUnescaped, unescapeValue } from './text.ts'

/**
 * `latitude|longitude|distance|unit` in degrees of WGS84 and a UCUM unit of length: km without one, 10 km without a distance. Distances are
 * those on a sphere, up to 0.6 % off. https://hl7.org/fhir/R4/location.html#positional
 */
export const nearKind: Kind = {
  plain: {
    parse: parseNear,
    matches: (value, { value: position }) => value.kind === 'near' && isObject(position) && isNumberValue(position.latitude)
      && isNumberValue(position.longitude) && metresBetween(value, numberOf(position.latitude), numberOf(position.longitude)) <= value.metres,
    asks: notIndexed
  },
  modifiers: {},
  terms: () => NO_TERMS
}

const DEFAULT_KM = '10'
const DECIMAL = /^[+-]?\d{1,20}(\.\d{1,20})?$/
const EARTH_RADIUS_METRES = 6_371_008.8

function parseNear(text: string): ParamValue | null {
  const [latitude = '', longitude = '', distance = '', unit = '', ...rest] = splitUnescaped(text, '|').map((part) => unescapeValue(part).trim())
  if (rest.length > 0 || !DECIMAL.test(latitude) || !DECIMAL.test(longitude) || !DECIMAL.test(distance || DEFAULT_KM)) return null
  const length = baseUnit(distance === '' || unit === '' ? 'km' : unit)
  if (length === null || length.dimension !== 'm1') return null
  const near = { latitude: Number(latitude), longitude: Number(longitude), metres: inBase(length, Number(distance || DEFAULT_KM)) }
  return Math.abs(near.latitude) > 90 || Math.abs(near.longitude) > 180 || near.metres < 0 ? null : { kind: 'near', ...near }
}

const radians = (degrees: number): number => degrees * Math.PI / 180

/** The haversine formula. */
function metresBetween({ latitude, longitude }: { readonly latitude: number; readonly longitude: number }, toLatitude: number, toLongitude: number): number {
  const across = Math.sin(radians(toLatitude - latitude) / 2) ** 2
  const along = Math.sin(radians(toLongitude - longitude) / 2) ** 2
  const half = across + Math.cos(radians(latitude)) * Math.cos(radians(toLatitude)) * along
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.min(1, Math.sqrt(half)))
}
