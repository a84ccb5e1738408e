// What a stream may run into, on the real gateway: a node killed mid-stream, and callers who hang up, through both of the gateway's ports.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUsd } from '../../protocol/units.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { spawnFaultNode } from '../support/fault-node-process.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

let market: Market
let node: FaultNode
let consumer: Consumer
const MODEL = 'test/counter'
const MORTAL = 'test/mortal'

beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  await market.publish(countingModel(MODEL))
  await market.publish(countingModel(MORTAL))
  node = await startFaultNode({ gatewayUrl: market.url, chainId: market.gateway.chainId }, countingModel(MODEL))
  await market.routable([MODEL])
  consumer = await market.consumer()
})
afterAll(async () => {
  await node?.stop()
  await market?.stop()
})

const ask = (base: string, count: number, over: { signal?: AbortSignal; model?: string; stream?: boolean } = {}) =>
  fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: over.model ?? MODEL,
      stream: over.stream ?? true,
      messages: [{ role: 'user', content: `count ${count}` }],
    }),
    ...(over.signal ? { signal: over.signal } : {}),
  })

const ports = ['the port that npm start gives', 'the direct port']
const baseOf = (port: string) => (port === 'the direct port' ? market.directUrl : market.url)

const balance = async () => fromUsd((await consumer.client.account()).balance)

/** Reads until so many tokens came. */
async function readTokens(response: Response, tokens: number) {
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while ((text.match(/"content":"n/g) ?? []).length < tokens) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  return { reader, text }
}

describe('a node killed mid-stream', () => {
  it('ends in an error event without [DONE], and nothing is charged', async () => {
    const mortal = await spawnFaultNode({
      gatewayUrl: market.url,
      chainId: market.gateway.chainId,
      model: MORTAL,
      tokenMs: 20,
    })
    await market.routable([MORTAL])
    const before = await balance()
    const response = await ask(market.url, 500, { model: MORTAL })
    const { reader, text } = await readTokens(response, 5)
    mortal.process.kill('SIGKILL')
    let rest = text
    const decoder = new TextDecoder()
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += decoder.decode(part.value, { stream: true })
    expect(rest).toContain('"code":"provider_broke_off"')
    expect(rest).not.toContain('[DONE]')
    expect(rest).not.toContain('"finish_reason":"stop"')
    await eventually(3_000, async () => {
      const account = await consumer.client.account()
      expect(account.held).toBe('0.000000000')
      expect(fromUsd(account.balance)).toBe(before)
    })
  })
})

describe('a caller who hangs up mid-stream', () => {
  it.each(ports)('through %s: the node stops within 1 s, and what had arrived is charged', async (port) => {
    const base = baseOf(port)
    node.tokenMs = 20
    const before = await balance()
    const seenBefore = node.seen.hungUpAt.length
    const tokensBefore = node.seen.tokens
    const caller = new AbortController()
    const response = await ask(base, 2_000, { signal: caller.signal })
    await readTokens(response, 10)
    const leftAt = Date.now()
    caller.abort()
    await eventually(2_000, () => {
      expect(node.seen.hungUpAt.length).toBe(seenBefore + 1)
      return Promise.resolve()
    })
    expect((node.seen.hungUpAt.at(-1) ?? 0) - leftAt).toBeLessThan(1_000)
    const sent = node.seen.tokens - tokensBefore
    await eventually(3_000, async () => expect((await consumer.client.account()).held).toBe('0.000000000'))
    const charged = before - (await balance())
    // `count 2000` is 2 input tokens to this node, at 50 nanos; each output token is 200.
    expect(charged).toBeGreaterThanOrEqual(2n * 50n + 10n * 200n)
    expect(charged).toBeLessThanOrEqual(2n * 50n + BigInt(sent) * 200n)
  })

  it('also settles when the answer was not to be streamed: the runtime tells nobody that this caller left, so it pays for the answer', async () => {
    node.tokenMs = 5
    const before = await balance()
    const tokensBefore = node.seen.tokens
    const caller = new AbortController()
    const gone = ask(market.url, 60, { signal: caller.signal, stream: false }).catch((error: unknown) => error)
    await eventually(3_000, () => Promise.resolve(expect(node.seen.tokens).toBeGreaterThan(tokensBefore + 5)))
    caller.abort()
    await gone
    await eventually(3_000, async () => expect((await consumer.client.account()).held).toBe('0.000000000'))
    expect(before - (await balance())).toBe(2n * 50n + 60n * 200n)
  })
})

describe('a node that cheats', () => {
  it('is paid for what was relayed, whatever it claims', async () => {
    node.tokenMs = 0
    node.behaviour = { kind: 'inflate', factor: 1_000 }
    const before = await balance()
    const text = await (await ask(market.url, 4)).text()
    node.behaviour = { kind: 'honest' }
    expect(text).toContain('[DONE]')
    // Four tokens `n0 ` … are twelve bytes: never more than twelve tokens; the input's bound is its body and template.
    const charged = before - (await balance())
    expect(charged).toBeLessThanOrEqual(12n * 200n + 60n * 50n)
  })
})
