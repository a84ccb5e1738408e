import { describe, expect, it } from 'vitest'
import { createMemory, leastRecentlyUsed, type Tenant } from '../../../provider-node/model-store/memory.ts'

interface FakeTenant extends Tenant {
  readonly name: string
  isBusy: boolean
}

function aTenant(
  name: string,
  bytes: number,
  usedAt: number,
  isBusy = false,
  unload?: () => Promise<void>,
): FakeTenant {
  const tenant: FakeTenant = {
    ...{ name, bytes, isBusy },
    usedAt: () => usedAt,
    isIdle: () => !tenant.isBusy,
    unload: unload ?? (() => Promise.resolve()),
  }
  return tenant
}

const never = new AbortController().signal

describe('who goes', () => {
  const tenants = [
    aTenant('newest', 30, 3),
    aTenant('oldest', 40, 1),
    aTenant('busy', 20, 0, true),
    aTenant('middle', 10, 2),
  ]
  it.each<[number, number, string[] | null]>([
    [0, 100, []],
    [10, 110, []],
    [10, 109, ['oldest']],
    [40, 100, ['oldest']],
    [41, 100, ['oldest', 'middle']],
    [50, 100, ['oldest', 'middle']],
    [51, 100, ['oldest', 'middle', 'newest']],
    [80, 100, ['oldest', 'middle', 'newest']],
    // Only the busy one is left, and it stays.
    [81, 100, null],
  ])('for %i more bytes below a ceiling of %i: %j', (bytes, max, leaving) => {
    const chosen = leastRecentlyUsed(tenants, bytes, max)
    expect(chosen?.map((tenant) => (tenant as FakeTenant).name) ?? null).toEqual(leaving) // they are those given
  })

  it('never one that takes nothing', () => {
    expect(leastRecentlyUsed([aTenant('upstream', 0, 0), aTenant('loaded', 10, 1)], 10, 10)).toMatchObject([
      { bytes: 10 },
    ])
  })
})

describe('memory', () => {
  it('without a ceiling has room for everything', async () => {
    const memory = createMemory(null)
    for (const name of ['a', 'b']) await memory.reserve(aTenant(name, 2 ** 50, 0), never)
    expect([memory.usedBytes(), memory.maxBytes()]).toEqual([2 ** 51, null])
  })

  it('gives room when the least recently used has gone', async () => {
    const memory = createMemory(100)
    const gone: string[] = []
    const leaving = (name: string, usedAt: number) => {
      const tenant: FakeTenant = aTenant(name, 50, usedAt, false, () => {
        gone.push(name)
        memory.release(tenant)
        return Promise.resolve()
      })
      return tenant
    }
    await memory.reserve(leaving('newer', 2), never)
    await memory.reserve(leaving('older', 1), never)
    await memory.reserve(aTenant('third', 50, 3), never)
    expect([gone, memory.usedBytes()]).toEqual([['older'], 100])
  })

  it('waits for a busy one, and looks again when it is told that something has changed', async () => {
    const memory = createMemory(100)
    const busy: FakeTenant = aTenant('busy', 80, 0, true, () => Promise.resolve(memory.release(busy)))
    await memory.reserve(busy, never)
    let hasRoom = false
    const reserved = memory.reserve(aTenant('next', 30, 0), never).then(() => (hasRoom = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(hasRoom).toBe(false)
    busy.isBusy = false
    memory.changed()
    await reserved
    expect(memory.usedBytes()).toBe(30)
  })

  it('is given first come, first served', async () => {
    const memory = createMemory(100)
    const busy = aTenant('busy', 100, 0, true)
    await memory.reserve(busy, never)
    const order: string[] = []
    const large = memory.reserve(aTenant('large', 100, 0), never).then(() => order.push('large'))
    const stop = new AbortController()
    const small = memory.reserve(aTenant('small', 1, 0), stop.signal).then(
      () => order.push('small'),
      () => undefined,
    )
    memory.release(busy)
    await large
    stop.abort()
    await small
    expect(order).toEqual(['large'])
  })

  it('is not given to whoever does not want it any more, and the next one gets it', async () => {
    const memory = createMemory(100)
    const busy = aTenant('busy', 100, 0, true)
    await memory.reserve(busy, never)
    const stop = new AbortController()
    const first = memory.reserve(aTenant('first', 10, 0), stop.signal)
    const second = memory.reserve(aTenant('second', 10, 0), never)
    stop.abort()
    await expect(first).rejects.toThrow()
    memory.release(busy)
    await second
    expect(memory.usedBytes()).toBe(10)
  })

  it('follows a ceiling that is raised', async () => {
    const memory = createMemory(10)
    const reserved = memory.reserve(aTenant('large', 11, 0), never)
    memory.setMax(11)
    await reserved
    expect(memory.usedBytes()).toBe(11)
  })
})
