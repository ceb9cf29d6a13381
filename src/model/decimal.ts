/**
 * A JSON number kept as its text, made by `JSON.rawJSON`: `1.50` stays `1.50` when written again. structuredClone loses what makes it one.
 */
export interface RawJson {
  readonly rawJSON: string
}

/** The part of JSON that TypeScript's own library does not describe yet (TC39 JSON.parse source text access). */
const json = JSON as unknown as { rawJSON(text: string): RawJson; isRawJSON(value: unknown): value is RawJson }

/** Number text as it was sent: a finite number in JSON's grammar. */
export const rawNumber = (text: string): RawJson => json.rawJSON(text)

export const isRawNumber = (value: unknown): value is RawJson => typeof value === 'object' && json.isRawJSON(value)

/** True for what `parseJson` makes of a JSON number: a finite number or a RawJson. */
export const isNumberValue = (value: unknown): value is number | RawJson => Number.isFinite(value) || isRawNumber(value)

/** The nearest double. */
export const numberOf = (value: number | RawJson): number => typeof value === 'number' ? value : Number(value.rawJSON)

/** The decimal as it was sent, its trailing zeros included. */
export const numberText = (value: number | RawJson): string => typeof value === 'number' ? String(value) : value.rawJSON
