// `kill -9` of the gateway during 50 streamed calls, and a start on the same state: every hold ends, every acknowledged answer is charged
// exactly once, nothing is charged above what had been reported, and every transfer still sums to zero.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { costOf } from '../../protocol/price.ts'
import { fromUsd, nanos, tokens } from '../../protocol/units.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

const MODEL = 'test/counter'
const CALLS = 50
const HOLD_MS = 3_000
const price = {
  inputPerMillion: nanos(50_000_000n),
  outputPerMillion: nanos(200_000_000n),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(0n),
  perCall: nanos(0n),
}

let market: Market
let node: FaultNode
let consumer: Consumer

beforeAll(async () => {
  market = await startMarket({
    nodes: 0,
    vars: { SOUK_HOLD_DEADLINE_MS: String(HOLD_MS), SOUK_TIMEOUTS: JSON.stringify({ progressMs: 150 }) },
  })
  await market.publish(countingModel(MODEL))
  node = await startFaultNode(
    { gatewayUrl: market.url, chainId: market.gateway.chainId, tokenMs: 40 },
    countingModel(MODEL),
  )
  await market.routable([MODEL])
  consumer = await market.consumer()
})
afterAll(async () => {
  await node?.stop()
  await market?.stop()
})

interface Seen {
  readonly callId: string
  readonly prompt: string
  /** the cost in the finish chunk, when `[DONE]` followed it */
  readonly acknowledged: string | null
}

async function streamOne(index: number): Promise<Seen | null> {
  const prompt = `call ${index}: count ${4 + index}`
  const response = await fetch(`${market.directUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content: prompt }] }),
  }).catch(() => null)
  const callId = response?.headers.get('x-souk-call-id') ?? null
  if (!response || callId === null) return null
  let text = ''
  try {
    const decoder = new TextDecoder()
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>)
      text += decoder.decode(part, { stream: true })
  } catch {
    // The gateway is gone: what came until now is what the caller has.
  }
  const cost = /"cost":"([\d.]+)"/.exec(text)?.[1] ?? null
  return { callId, prompt, acknowledged: text.includes('data: [DONE]') ? cost : null }
}

const Row = z.object({
  id: z.string(),
  outcome: z.string(),
  charge_nanos: z.number(),
  output_tokens: z.number(),
  input_tokens: z.number(),
})

it(`survives kill -9 during ${CALLS} streamed calls`, async () => {
  const before = fromUsd((await consumer.client.account()).balance)
  const running = Array.from({ length: CALLS }, (_, index) => streamOne(index))
  await new Promise((resolve) => setTimeout(resolve, 1_300))
  await market.killGateway()
  const seen = (await Promise.all(running)).filter((call) => call !== null)
  const acknowledged = seen.filter((call) => call.acknowledged !== null)
  // The story is only one if the kill fell among them.
  expect(acknowledged.length).toBeGreaterThan(0)
  expect(acknowledged.length).toBeLessThan(CALLS)

  await market.restartGateway()
  const rows = new Map<string, z.infer<typeof Row>>()
  await eventually(HOLD_MS + 7_000, async () => {
    expect((await consumer.client.account()).held).toBe('0.000000000')
    for (const row of await market.query('BOOK_0', 'SELECT * FROM calls WHERE account_id = ?', consumer.accountId)) {
      rows.set(String(row.id), Row.parse(row))
    }
    for (const call of seen) expect(rows.has(call.callId)).toBe(true)
  })

  for (const call of acknowledged) {
    expect(rows.get(call.callId)).toMatchObject({
      outcome: 'complete',
      charge_nanos: Number(fromUsd(call.acknowledged ?? '')),
    })
  }
  const expired = [...rows.values()].filter((row) => row.outcome === 'expired')
  expect(expired.length).toBeGreaterThan(0)
  expect(expired.some((row) => row.charge_nanos > 0)).toBe(true)
  for (const row of expired) {
    const prompt = seen.find((call) => call.callId === row.id)?.prompt
    // A progress never runs ahead of what the node had sent, and the charge is exactly that of the units it reported.
    if (prompt !== undefined) expect(row.output_tokens).toBeLessThanOrEqual(node.seen.tokensByPrompt.get(prompt) ?? 0)
    const units = { inputTokens: tokens(row.input_tokens), outputTokens: tokens(row.output_tokens) }
    expect(BigInt(row.charge_nanos)).toBe(row.output_tokens === 0 ? 0n : costOf(units, price))
  }

  const charged = [...rows.values()].reduce((sum, row) => sum + BigInt(row.charge_nanos), 0n)
  expect(before - fromUsd((await consumer.client.account()).balance)).toBe(charged)
  const perCall = await market.query(
    'BOOK_0',
    "SELECT transfer_id, count(*) AS n FROM lines WHERE account_id = ? AND kind = 'call' GROUP BY transfer_id HAVING n > 1",
    consumer.accountId,
  )
  expect(perCall).toEqual([])
  const unbalanced = await market.query(
    'BOOK_0',
    'SELECT account_id, seq FROM legs GROUP BY account_id, seq HAVING sum(amount_nanos) <> 0',
  )
  expect(unbalanced).toEqual([])
})

it('goes on serving afterwards, with the balance it had', async () => {
  await market.routable([MODEL])
  expect((await streamOne(1))?.acknowledged).not.toBeNull()
})
