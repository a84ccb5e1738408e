// Random stories of one call: nodes that say anything in any order, callers who leave at any time. Whatever happens, the hold ends, the charge is
// at most the hold and what arrived can cost, a failed call costs nothing, and what a caller is told is what its account says.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fromUsd } from '../../../protocol/units.ts'
import { aHouse, chat, finish, sse, token, type ScriptedNode } from './call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const START = 1_000_000_000n
const CALLS = 12

type Random = (below: number) => number

/** A linear congruential generator: a seed tells the same story again. */
function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const CLAIMS: unknown[] = [
  undefined,
  null,
  'x',
  { prompt_tokens: -1, completion_tokens: 2 },
  { prompt_tokens: 1e12, completion_tokens: 1e12 },
]

function aNode(random: Random): ScriptedNode {
  const events: (object | string)[] = []
  for (let i = random(9); i > 0; i--) {
    const said = token(random(5) === 0 ? '' : 'wörd '.repeat(1 + random(3)), random(12), random(9))
    const claim = CLAIMS[random(12)]
    events.push(random(3) === 0 ? { ...said, usage: claim } : said)
  }
  if (random(12) === 0) events.push('{{{')
  if (random(4) > 0) events.push(finish(random(20)))
  if (random(4) > 0) events.push('[DONE]')
  const tail = (['end', 'end', 'break', 'hang'] as const)[random(4)]
  const refusal = random(6)
  return () => {
    if (refusal === 0) return new Response('no', { status: 500 })
    if (refusal === 1) throw new TypeError('refused')
    return sse(events, tail)
  }
}

/** What the caller saw, as far as it read. */
async function readSome(response: Response, random: Random, leave: () => void): Promise<string> {
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  const readsMax = random(3) === 0 ? random(4) : 1_000
  let text = ''
  for (let reads = 0; reads < readsMax; reads++) {
    const part = await reader.read().catch(() => null)
    if (!part || part.done) return text
    text += decoder.decode(part.value, { stream: true })
  }
  const way = random(3)
  if (way === 0) leave()
  if (way === 1) await reader.cancel()
  return text
}

it.each([1, 2, 3])('leave every account right (seed %i)', { timeout: 60_000 }, async (seed) => {
  const random = seeded(seed)
  for (let call = 0; call < CALLS; call++) {
    const nodes = Array.from({ length: 1 + random(3) }, () => aNode(random))
    const timeouts = {
      connectMs: 40,
      firstTokenMs: 40,
      gapMs: 40,
      totalMs: 400,
      callerStallMs: 60,
      keepAliveMs: 25,
      progressMs: 0,
    }
    const house = await aHouse({ nodes, timeouts })
    const caller = new AbortController()
    const stream = random(3) > 0
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream }), { signal: caller.signal })
    const text = await readSome(response, random, () => caller.abort())
    await settled()

    const { availableNanos, heldNanos } = await house.account.balance()
    const story = `call ${call}: ${response.status} ${text}`
    expect(heldNanos, story).toBe(0n)
    const record = await house.account.call(response.headers.get('x-souk-call-id') as never)
    expect(record?.chargeNanos, story).toBe(START - availableNanos)
    expect(record!.chargeNanos <= record!.holdNanos, story).toBe(true)
    if (record?.outcome === 'failed') expect(record.chargeNanos, story).toBe(0n)
    const cost = /"cost":"([\d.]+)"/.exec(text)?.[1]
    if (cost !== undefined) expect([record?.outcome, fromUsd(cost)], story).toEqual(['complete', record?.chargeNanos])
    if (text.includes('[DONE]')) expect(cost, story).toBeDefined()
    if (text.includes('"error"'))
      expect([record?.outcome, text.includes('[DONE]'), cost], story).toEqual(['failed', false, undefined])
    expect(house.reports, story).toHaveLength(house.sent.length)
  }
})
