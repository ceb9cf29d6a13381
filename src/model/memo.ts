/** What is worked out of a row, or of a list of them, once and kept with it, whoever asks. */

/** Has room for such values: one slot for each kind of them. */
export interface Keeping { readonly memo?: unknown[] }

const NUMBER = 0
let slots = 1

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

/** Shorter lists are worked through as fast as they are compared, and not remembered. */
export const LIST_MIN = 32
/** Lists of each kind that are remembered: what is kept of them is not counted as memory of the rows. */
const LISTS_MAX = 64

interface OfList<V> { readonly numbers: Float64Array; readonly value: V }

/**
 * `make`, whose value is kept with the first item of a list and given again for a list of the very same items in the same order, as a page is
 * that is asked for again. A value must hold no item: those are dropped one by one, and with the first of them the value.
 */
export function memoizedList<T extends Keeping, V>(make: (of: readonly T[]) => V): (of: readonly T[]) => V {
  const slot = slots++
  const kept: WeakRef<unknown[]>[] = []
  let next = 0
  const remember = (memo: unknown[], value: OfList<V>): void => {
    if (memo[slot] === undefined) {
      const oldest = kept[next]?.deref()
      if (oldest !== undefined) oldest[slot] = undefined
      kept[next] = new WeakRef(memo)
      next = (next + 1) % LISTS_MAX
    }
    memo[slot] = value
  }
  return (of) => {
    const memo = of[0]?.memo
    if (memo === undefined || of.length < LIST_MIN) return make(of)
    const known = memo[slot] as OfList<V> | undefined
    if (known !== undefined && isSame(known.numbers, of)) return known.value
    const value = make(of)
    const numbers = numbersOf(of)
    if (numbers !== null) remember(memo, { numbers, value })
    return value
  }
}

/** `make`, once for each text. For few of them: a server has one base. */
export function byText<V>(make: (text: string) => V): (text: string) => V {
  const made = new Map<string, V>()
  return (text) => {
    if (!made.has(text)) made.set(text, make(text))
    return made.get(text)!
  }
}

let numbered = 0

/** Null: an item has no room for its number. */
function numbersOf(items: readonly Keeping[]): Float64Array | null {
  const numbers = new Float64Array(items.length)
  for (let i = 0; i < items.length; i++) {
    const { memo } = items[i]!
    if (memo === undefined) return null
    numbers[i] = (memo[NUMBER] ??= ++numbered) as number
  }
  return numbers
}

function isSame(numbers: Float64Array, items: readonly Keeping[]): boolean {
  if (numbers.length !== items.length) return false
  for (let i = 0; i < numbers.length; i++) if (items[i]!.memo?.[NUMBER] !== numbers[i]) return false
  return true
}
