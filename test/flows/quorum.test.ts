// A quorum, a quote and a locked price on the real gateway, with nodes of four operators of which one lies: callers get the answer that the others
// agree on, at most at the price they were told, and the liar is paid nothing.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../protocol/client.ts'
import { conserved, sumOf } from '../support/conservation.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

const MODEL = 'quorum/counter'
const CHAT = '/v1/chat/completions'
const CALLS = 6

let market: Market
let consumer: Consumer
let nodes: FaultNode[] = []
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  await market.publish(countingModel(MODEL))
  consumer = await market.consumer()
  const options = { gatewayUrl: market.url, chainId: market.gateway.chainId }
  const names = ['liar', 'one', 'two', 'three']
  nodes = await Promise.all(names.map((name) => startFaultNode({ ...options, name }, countingModel(MODEL))))
  const liar = nodes[0]
  if (liar) liar.behaviour = { kind: 'lie' }
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  await market?.stop()
})

const quorum = { n: 3, agree: 2 }
const asked = (provider: object) => ({
  model: MODEL,
  messages: [{ role: 'user', content: 'count 3' }],
  max_tokens: 10,
  temperature: 0,
  provider,
})

const Answer = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })),
  usage: z.object({ cost: z.string() }),
  souk: z.object({ callId: z.string(), parts: z.array(z.object({ node: z.string() })) }),
})
const call = async (provider: object) => {
  const response = await fetch(`${market.directUrl}${CHAT}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(asked(provider)),
  })
  const body: unknown = await response.json()
  expect(response.status, JSON.stringify(body)).toBe(200)
  return { answer: Answer.parse(body), hold: response.headers.get('x-souk-hold') }
}

const quoted = () => {
  const client = createClient({ url: market.directUrl, token: consumer.key })
  return client.quote({ endpoint: CHAT, request: asked({ quorum }) })
}

describe('a call that several nodes answer', () => {
  it('costs at most what was quoted, and gives what the honest ones agree on', async () => {
    // What isolates know of nodes is some seconds old.
    await eventually(30_000, async () => expect((await quoted()).candidates).toHaveLength(nodes.length))
    const { lock, highest } = await quoted()
    for (let calls = 0; calls < CALLS; calls++) {
      const { answer, hold } = await call({ quorum, price_lock: lock })
      expect(answer.choices[0]?.message.content).toBe('n0 n1 n2 ')
      expect(answer.souk.parts).toHaveLength(2)
      expect(answer.souk.parts.map(({ node }) => node)).not.toContain(nodes[0]?.nodeId)
      expect(Number(hold)).toBeLessThanOrEqual(Number(highest))
      expect(Number(answer.usage.cost)).toBeLessThanOrEqual(Number(hold))
    }
  })

  it('is paid to those who agreed and to nobody else, to the nano', async () => {
    await eventually(15_000, async () => {
      const written = await market.query('BOOK_0', "SELECT seq FROM lines WHERE kind = 'call'")
      expect(written).toHaveLength(CALLS)
    })
    const sums = await conserved(market)
    expect([...sums.values()].reduce((sum, each) => sum + each, 0n)).toBe(0n)
    expect(sumOf(sums, 'operator')).toBeGreaterThan(0n)
    expect(sums.get(`operator ${nodes[0]?.operatorAccountId}`)).toBeUndefined()
  })
})
