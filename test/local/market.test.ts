import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

describe('the market of the tests', () => {
  let market: Market
  let consumer: Consumer
  const ask = async () => {
    const client = new OpenAI({ baseURL: `${market.url}/v1`, apiKey: consumer.key, maxRetries: 0 })
    const messages = [{ role: 'user' as const, content: 'What is the capital of France?' }]
    return (await client.chat.completions.create({ model: 'souk/tiny-chat', messages })).choices[0]?.message.content
  }
  beforeAll(async () => {
    market = await startMarket()
    consumer = await market.consumer()
  }, 120_000)
  afterAll(() => market?.stop())

  it('answers a consumer’s call through a real node, and shows the books', async () => {
    expect(await ask()).toContain('Paris')
    expect(await market.query('DB', 'SELECT id FROM nodes')).toEqual([{ id: market.nodes[0]?.id }])
    await expect(market.query('DB', 'SELECT * FROM absent')).rejects.toThrow('no such table')
    await market.runCrons()
  })

  it('goes on after kill -9 of the gateway, with the same node, key and money', async () => {
    await market.killGateway()
    await expect(fetch(market.url)).rejects.toThrow()
    await market.restartGateway({ SOUK_HOLD_DEADLINE_MS: '3000' })
    await market.routable()
    expect(await ask()).toContain('Paris')
    expect((await consumer.client.account()).accountId).toBe(consumer.accountId)
  }, 60_000)

  it('can have one more node', async () => {
    const node = await market.startNode()
    expect(await market.query('DB', 'SELECT count(*) AS n FROM nodes')).toEqual([{ n: 2 }])
    await node.kill()
    expect(await node.exited).toBeTypeOf('string')
  }, 60_000)
})
