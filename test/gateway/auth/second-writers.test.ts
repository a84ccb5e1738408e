// Two people change one thing at once: the later one is told, and nothing is lost silently. The routes come from the router: each that changes something
// says how a second writer fares (support/second-writers.ts), and each that is told by what was seen is walked here on the real app.
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { BY_WHAT_WAS_SEEN, OVERWRITES_NOTHING } from '../../support/second-writers.ts'
import { aMatrix, gatedRoutes, spelt } from './matrix-house.ts'
import { seenChanges, type Matrix } from './seen-changes.ts'

/** The real app, and guards that wake for the first time. */
vi.setConfig({ testTimeout: 60_000 })

let house: Matrix
let changes: ReturnType<typeof seenChanges>
beforeAll(async () => {
  house = await aMatrix()
  changes = seenChanges(house)
})

/** What the second of two hears in the same moment, where that is something else. */
const FASTER: Readonly<Record<string, string>> = {
  // A node's offers have a pace, which is asked first.
  'PUT /api/nodes/:id/offers': '429 rate_limited',
}

describe('every route that changes something', () => {
  it('says how a second writer fares', () => {
    const known = new Set([...BY_WHAT_WAS_SEEN, ...Object.keys(OVERWRITES_NOTHING)])
    const routes = gatedRoutes(house.app)
      .filter(({ method }) => method !== 'GET')
      .map(spelt)
    expect(routes.filter((route) => !known.has(route))).toEqual([])
    expect([...known].filter((route) => !routes.includes(route))).toEqual([])
  })

  it('is walked here when it is told by what was seen', () => {
    expect(Object.keys(changes.things).sort()).toEqual([...BY_WHAT_WAS_SEEN].sort())
  })
})

describe('of two people at once, the later one is told', () => {
  it.each(BY_WHAT_WAS_SEEN)('at %s', async (route) => {
    const thing = await changes.things[route]?.()
    if (!thing) throw new Error(`a case for ${route}`)
    const [method = ''] = route.split(' ')
    const seen = await thing.look()
    const write = async (n: number) => {
      const { path, body } = thing.write(seen, n)
      return changes.ask(thing.who, method, path, body)
    }
    const both = await Promise.all([write(0), write(1)])
    const told = both.map(({ status, code }) => (status < 300 ? 'done' : `${status} ${code ?? ''}`))
    expect(told.filter((one) => one === 'done')).toHaveLength(1)
    expect(['409 changed_meanwhile', FASTER[route]]).toContain(told.find((one) => one !== 'done'))

    const stands = await thing.look()
    expect(stands).not.toEqual(seen)
    const late = await write(2)
    expect([late.status, late.code]).toEqual([409, 'changed_meanwhile'])
    expect(await thing.look()).toEqual(stands)
  })
})
