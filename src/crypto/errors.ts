/** Sealed bytes that do not belong where they lie, or were altered. Its text names no record, key or value. */
export class SealBroken extends Error {
  constructor(what: string) {
    super(`Sealed bytes are not authentic: ${what}`)
  }
}

/** Keys cannot be had now: the provider does not answer and the cached branch key has ended. Answered as 503. */
export class KeysUnavailable extends Error {}

/** Keys that waiting will not mend: altered or incomplete key documents, or another provider than the one that wrapped them. */
export class KeysBroken extends KeysUnavailable {}
