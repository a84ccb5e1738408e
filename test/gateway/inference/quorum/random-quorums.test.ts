// Random stories of calls that several nodes answer: some agree, some lie, some fail, some are slow, some are dearer, and callers leave when they
// like. Whatever happens, the hold ends, the charge is at most the hold, only nodes that agreed are paid for a whole answer, and no money is made.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { CallId } from '../../../../protocol/units.ts'
import { nanos } from '../../../../protocol/units.ts'
import { aPrice } from '../../../support/workers/builders.ts'
import { chat, finish, honest, sse, token, type ScriptedNode } from '../call-house.ts'
import { aPurse, FUNDS } from '../settle/purse.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const CALLS = 8
type Random = (below: number) => number

/** A linear congruential generator: a seed tells the same story again. */
function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function aNode(random: Random): ScriptedNode {
  const ms = random(3) === 0 ? random(60) : 0
  const greedy = { prompt_tokens: 1e12, completion_tokens: 1e12 }
  const kinds: ScriptedNode[] = [
    honest,
    honest,
    honest,
    () => sse([token('lie', 1), finish(1), '[DONE]']),
    () => sse([{ ...token('one ', 1), usage: greedy }, { ...token('two', 2), usage: greedy }, finish(2), '[DONE]']),
    () => sse([token('one ', 1)], 'break'),
    () => sse([token('one ', 1)], 'hang'),
    () => new Response('no', { status: 500 }),
    () => sse([], 'hang'),
  ]
  const node = kinds[random(kinds.length)] ?? honest
  return async (request) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return node(request)
  }
}

it.each([1, 2, 3])('leave every account right (seed %i)', { timeout: 60_000 }, async (seed) => {
  const random = seeded(seed)
  const outcomes = new Set<string>()
  for (let call = 0; call < CALLS; call++) {
    const nodes = Array.from({ length: 2 + random(4) }, () => aNode(random))
    const price = () =>
      aPrice({ outputPerMillion: nanos(BigInt(10_000_000 + random(8_000_000))), perCall: nanos(BigInt(random(50))) })
    const offers = nodes.map(() => ({ price: price() }))
    const timeouts = {
      connectMs: 80,
      firstTokenMs: 80,
      gapMs: 80,
      totalMs: 600,
      keepAliveMs: 25,
      failOverMs: 80,
      progressMs: 0,
    }
    const house = await aPurse({ nodes, offers, timeouts })
    const n = 2 + random(2)
    const quorum = { n, ...(random(2) === 0 && { agree: 2 }) }
    const caller = new AbortController()
    const asked = chat({ stream: random(2) === 0, provider: { quorum } })
    const begun = house.begin('/v1/chat/completions', asked, { signal: caller.signal })
    if (random(4) === 0) setTimeout(() => caller.abort(), random(60))
    const response = await begun.response
    const text = await response.text().catch(() => '')
    await begun.settled()

    const { availableNanos, heldNanos } = await house.account.balance()
    const story = `call ${call} ${JSON.stringify(quorum)}: ${response.status} ${text}`
    expect(heldNanos, story).toBe(0n)
    const record = await house.account.call(response.headers.get('x-souk-call-id') as CallId) // as the gateway said it
    const charge = record?.chargeNanos ?? 0n
    expect(charge, story).toBe(FUNDS - availableNanos)
    expect(charge <= (record?.holdNanos ?? 0n), story).toBe(true)
    const { operator, author, house: fees } = await house.money()
    expect(operator + author + fees, story).toBe(charge)
    outcomes.add(record?.outcome ?? 'refused')
    if (record?.outcome === 'failed') expect(charge, story).toBe(0n)
    const served = record?.detail?.attempts.filter(({ outcome }) => outcome === 'served').map(({ nodeId }) => nodeId)
    if (record?.outcome === 'complete') {
      expect(served, story).toHaveLength(quorum.agree ?? Math.floor(n / 2) + 1)
      expect(record.detail?.parts?.map(({ nodeId }) => nodeId).sort(), story).toEqual(served?.sort())
    }
    if (record?.outcome !== 'cancelled') expect(house.reports, story).toHaveLength(house.sent.length)
  }
  expect(outcomes).toContain('complete')
  expect(outcomes).toContain('failed')
})
