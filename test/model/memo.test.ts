/** What is kept of lists: for the very same items in the same order, of so many lists, and no longer than the items are there. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type Keeping, LIST_MIN, memoizedList } from '../../src/model/memo.ts'

interface Item extends Keeping { readonly name: string }

const items = (count: number): Item[] => Array.from({ length: count }, (_, i) => ({ name: String(i), memo: [] }))

function counted() {
  let made = 0
  const names = memoizedList((of: readonly Item[]) => {
    made += 1
    return { text: of.map(({ name }) => name).join() }
  })
  return { names, made: () => made }
}

describe('what is made of a list', () => {
  test('is given again for the same items, whatever array they are in, and made anew where any of them differs', () => {
    const { names, made } = counted()
    const list = items(100)
    const first = names(list)
    expect([names(list), names([...list])].every((value) => value === first)).toBe(true)
    expect(made()).toBe(1)
    const others = [list.slice(0, -1), [...list, ...items(1)], list.toReversed(), ...[0, 50, 99].map((at) => list.with(at, { name: 'new', memo: [] })), list.with(98, list[97]!)]
    for (const other of others) expect(names(other).text).toBe(other.map(({ name }) => name).join())
    expect(made()).toBe(1 + others.length)
    expect(names(list).text).toBe(first.text)
  })

  test('is kept for each kind apart, and also where it is false', () => {
    const list = items(LIST_MIN)
    let made = 0
    const isLong = memoizedList((of: readonly Item[]) => (made += 1, of.length > 1_000))
    const { names } = counted()
    expect([isLong(list), names(list).text.length, isLong(list), made]).toEqual([false, list.map(({ name }) => name).join().length, false, 1])
  })

  test('is made each time of a short list, and of one with an item that has no room', () => {
    const { names, made } = counted()
    const short = items(LIST_MIN - 1)
    const bare = items(100).with(70, { name: 'bare' })
    const headless = items(100).with(0, { name: 'bare' })
    for (const list of [short, bare, headless, []]) expect(names(list)).toEqual(names(list))
    expect(made()).toBe(8)
  })

  test('is kept of 64 lists, the last ones', () => {
    const { names, made } = counted()
    const lists = Array.from({ length: 70 }, () => items(40))
    for (const list of lists) names(list)
    for (const list of lists.slice(6).reverse()) names(list)
    expect(made()).toBe(70)
    names(lists[5]!)
    names(lists[6]!)
    expect(made()).toBe(72)
  })

  test('is gone with the first item, and keeps none of the others', async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const { names } = counted()
    const kept: Item[] = []
    const [other, value] = ((): readonly [WeakRef<Item>, WeakRef<object>] => {
      const list = items(50)
      kept.push(list[0]!)
      return [new WeakRef(list[30]!), new WeakRef(names(list))]
    })()
    await new Promise(setImmediate)
    gc()
    expect([other.deref(), value.deref()?.constructor]).toEqual([undefined, Object])
    kept.length = 0
    await new Promise(setImmediate)
    gc()
    expect(value.deref()).toBe(undefined)
  })
})
