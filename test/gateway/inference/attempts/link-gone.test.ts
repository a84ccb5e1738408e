// A node whose link is gone when a call comes to it: the caller gets an answer of the next node, pays for that alone, and hears nothing of it.
import { describe, expect, it } from 'vitest'
import { LinkGone } from '../../../../gateway/link/node-link.ts'
import { aHouse, chat, honest, nodeIdOf } from '../call-house.ts'

/** The draw that takes the cheapest: a first byte that is no exploration. */
const firstFirst = (length: number) => new Uint8Array(length).fill(1)

describe('a node whose link is gone', () => {
  it.each([
    ['is not there: it is away, which is known and no mark', false, { outcome: 'no_provider', fault: 'none' }],
    ['says nothing: that is marked', true, { outcome: 'provider_failed', fault: 'node' }],
  ])('and %s, is passed over for the next one', async (_, isLinked, marked) => {
    const gone = () => Promise.reject(new LinkGone(isLinked))
    const house = await aHouse({ nodes: [gone, honest], random: firstFirst })
    const { response, settled } = await house.call('/v1/chat/completions', chat())
    await settled()
    expect(response.status).toBe(200)
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(1))
    expect((await house.account.balance()).availableNanos).toBe(1_000_000_000n - 70n)
    const report = house.reports.find(({ nodeId }) => nodeId === nodeIdOf(0))
    expect(report).toMatchObject(marked)
  })

  it('costs nothing when there is no other, and the caller is told that nobody serves', async () => {
    const house = await aHouse({ nodes: [() => Promise.reject(new LinkGone(false))] })
    const { response, settled } = await house.call('/v1/chat/completions', chat())
    await settled()
    expect(response.status).toBe(503)
    expect((await house.account.balance()).availableNanos).toBe(1_000_000_000n)
  })
})
