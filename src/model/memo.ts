/** What is worked out of a row once and kept with it, whoever asks. */

/** Has room for such values: one slot for each kind of them. */
export interface Keeping { readonly memo?: unknown[] }

let slots = 0

/**
 * `make`, whose value is kept where there is room for it; it is never null. A WeakMap would do the same, but each collection of old garbage
 * looks at every one of its entries, and a server keeps ten thousands of rows.
 */
export function memoized<T extends Keeping, V extends object | string>(make: (of: T) => V): (of: T) => V {
  const slot = slots++
  return (of) => {
    const { memo } = of
    return memo === undefined ? make(of) : (memo[slot] ??= make(of)) as V
  }
}
