// Fairness between accounts when costs show only later, and what is remembered of accounts that are gone.
import { describe, expect, it } from 'vitest'
import { FairQueue } from '../../../provider-node/engines/fair-queue.ts'

/** Takes everything, charging each item as it is taken. */
function order(queue: FairQueue<string>, later: Record<string, number> = {}): string[] {
  const taken: string[] = []
  for (let item = queue.next(); item !== null; item = queue.next()) {
    taken.push(item)
    const [account = ''] = item
    queue.charge(account, later[account] ?? 0)
  }
  return taken
}

describe('a fair queue', () => {
  it('alternates between accounts of equal cost', () => {
    const queue = new FairQueue<string>(10)
    for (const item of ['a1', 'a2', 'a3']) queue.push('a', item, 1)
    queue.push('b', 'b1', 1)
    expect(order(queue)).toEqual(['a1', 'b1', 'a2', 'a3'])
  })

  it('lets an account go first as often as the other was charged more afterwards', () => {
    const queue = new FairQueue<string>(20)
    for (const item of ['a1', 'a2']) queue.push('a', item, 1)
    for (const item of ['b1', 'b2', 'b3', 'b4', 'b5']) queue.push('b', item, 1)
    expect(order(queue, { a: 5, b: 1 })).toEqual(['a1', 'b1', 'b2', 'b3', 'a2', 'b4', 'b5'])
  })

  it('holds against nobody what was before a rest, and does not rest while somebody waits', () => {
    const queue = new FairQueue<string>(10)
    queue.push('a', 'a1', 1)
    queue.next()
    queue.charge('a', 1_000)
    queue.push('b', 'b1', 1)
    queue.rest()
    for (const item of ['b2', 'b3']) queue.push('b', item, 1)
    queue.push('a', 'a2', 1)
    expect(order(queue)).toEqual(['b1', 'b2', 'b3', 'a2'])
    queue.rest()
    queue.push('a', 'a3', 1)
    queue.push('b', 'b4', 1)
    expect(order(queue)).toEqual(['a3', 'b4'])
  })

  it('takes as many as it may hold, and not one more', () => {
    const queue = new FairQueue<string>(2)
    expect([queue.push('a', 'a1', 1), queue.push('b', 'b1', 1), queue.push('c', 'c1', 1)]).toEqual([true, true, false])
    expect(queue.remove((item) => item === 'a1')).toEqual(['a1'])
    expect(queue.push('c', 'c1', 1)).toBe(true)
  })

  it('gives whoever was away no claim to the time it did not use', () => {
    const queue = new FairQueue<string>(20)
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.push('a', item, 10)
    queue.next()
    queue.next()
    for (const item of ['b1', 'b2', 'b3']) queue.push('b', item, 10)
    expect(order(queue).slice(0, 3)).toEqual(['b1', 'a3', 'b2'])
  })
})
