import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import { QuoteReply } from '../../../../protocol/endpoints.ts'
import { PROVIDER_HEADER } from '../../../../protocol/provider-header.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import { nanos, type CallId, type ModelId } from '../../../../protocol/units.ts'
import { aModel, aPrice } from '../../../support/workers/builders.ts'
import { aHouse, chat, honest, nodeIdOf } from '../call-house.ts'
import { aTensorHouse, tensorNode } from '../tensor-house.ts'

type House = Awaited<ReturnType<typeof aHouse>>
const CHAT = '/v1/chat/completions'

const asked = (house: House, body: object, init = {}) => house.call('/v1/quote', body, init)
const quoteOf = async (house: House, body: object = { endpoint: CHAT, request: chat() }) => {
  const { response } = await asked(house, body)
  expect(response.status).toBe(200)
  return QuoteReply.parse(await response.json())
}
const refusalOf = async (response: Response) => {
  const { error } = await response.json<{ error: { code: string; param: string | null; message: string } }>()
  return { status: response.status, ...error }
}
const callWith = async (house: House, lock: string, over: object = {}) => {
  const request = chat({ ...over, provider: { price_lock: lock } })
  const { response, settled } = await house.call(CHAT, request)
  await response.clone().text()
  await settled()
  const record = await house.account.call(response.headers.get('x-souk-call-id') as CallId) // as the gateway said it
  return { response, record }
}
const priced = (output: bigint, version = 1) => ({
  price: aPrice({ outputPerMillion: nanos(output) }),
  priceVersion: version,
})

describe('a quote', () => {
  it('is the hold of the same call, and asks no node and holds nothing', async () => {
    const touched: string[] = []
    const accounts = (account: AccountPort): AccountPort =>
      new Proxy(account, { get: (port, name: keyof AccountPort) => (touched.push(name), port[name]) })
    const house = await aHouse({ nodes: [honest], accounts })
    const quote = await quoteOf(house)
    expect(touched).toEqual(['inspectKey'])
    expect(house.sent).toEqual([])
    const { response } = await house.call(CHAT, chat())
    expect(quote.highest).toBe(response.headers.get('x-souk-hold'))
    expect(quote.candidates).toEqual([{ node: nodeIdOf(0), model: 'test/echo', cost: quote.highest }])
    expect(quote.units).toEqual({ inputTokens: 39, outputTokens: 100 })
    const seconds = (Date.parse(quote.expiresAt) - Date.now()) / 1_000
    expect(seconds).toBeGreaterThan(110)
    expect(seconds).toBeLessThanOrEqual(120)
  })

  it('is of the longest answer that was asked for, and of every node of a quorum', async () => {
    const house = await aHouse({ nodes: [honest, honest, honest] })
    const short = await quoteOf(house, { endpoint: CHAT, request: chat({ max_tokens: 10 }) })
    expect(short.units.outputTokens).toBe(10)
    const several = { max_tokens: 10, provider: { quorum: { n: 3 } } }
    const quorum = await quoteOf(house, { endpoint: CHAT, request: chat(several) })
    expect(Number(quorum.highest)).toBeCloseTo(3 * Number(short.highest), 9)
  })

  it('names up to eight offers of a model, so that some are left when the call comes', async () => {
    const house = await aHouse({ nodes: Array.from({ length: 10 }, () => honest) })
    expect((await quoteOf(house)).candidates).toHaveLength(8)
  })

  it('is there for every surface', async () => {
    const words = await aHouse({ nodes: [honest] })
    const completion = { endpoint: '/v1/completions', request: { model: 'test/echo', prompt: 'hi', max_tokens: 7 } }
    expect((await quoteOf(words, completion)).units).toEqual({ inputTokens: 8, outputTokens: 7 })
    const model = aModel({ id: 'test/vectors', task: 'embeddings', dimensions: 3 })
    const vectors = await aHouse({ nodes: [honest], model, offers: [{ modelId: model.id }] })
    const embedding = { endpoint: '/v1/embeddings', request: { model: 'test/vectors', input: 'hi' } }
    expect((await quoteOf(vectors, embedding)).units.outputTokens).toBe(0)
  })

  it('of tensors is made from their bytes alone, and is the hold of a call with as many', async () => {
    const offers = [{ modelId: 'test/tensors' as ModelId }] // the id of its model
    const house = await aTensorHouse({ nodes: [tensorNode()], offers })
    const { response, settled } = await house.infer()
    await settled()
    const bytes = 16 + 4 + 3
    const quote = await quoteOf(house, {
      endpoint: '/v2/models/infer',
      request: { model: 'test/tensors', inputBytes: bytes },
    })
    expect(quote.highest).toBe(response.headers.get('x-souk-hold'))
    expect(quote.units).toEqual({ inputTokens: 0, outputTokens: 0, tensorBytes: bytes + 1_000 })
    const headers = { [PROVIDER_HEADER]: JSON.stringify({ price_lock: quote.lock }) }
    expect((await house.infer({ init: { headers } })).response.status).toBe(200)
  })
})

describe('a quote is refused', () => {
  it('as its request would be, naming the field', async () => {
    const house = await aHouse({ nodes: [honest] })
    const of = async (request: object, endpoint = CHAT) =>
      refusalOf((await asked(house, { endpoint, request })).response)
    expect(await of(chat({ max_tokens: 0 }))).toMatchObject({ status: 400, param: 'max_tokens' })
    expect(await of(chat({ model: 'test/none' }))).toMatchObject({ status: 404, code: 'model_not_found' })
    expect(await of(chat({ tools: [] }))).toMatchObject({ status: 400, code: 'unsupported_parameter' })
    expect(await of(chat(), '/v1/other')).toMatchObject({ status: 400, param: 'endpoint' })
    const ignore = { provider: { ignore: [nodeIdOf(0)] } }
    expect(await of(chat(ignore))).toMatchObject({ status: 503, code: 'no_provider' })
    expect(await of(chat({ provider: { price_lock: 'x' } }))).toMatchObject({ param: 'provider.price_lock' })
  })

  it('without a key, and to one that could not make the call', async () => {
    const house = await aHouse({ nodes: [honest] })
    const body = { endpoint: CHAT, request: chat() }
    const stranger = { headers: { authorization: '' } }
    expect(await refusalOf((await asked(house, body, stranger)).response)).toMatchObject({ code: 'missing_api_key' })
    const guessed = { headers: { authorization: 'Bearer y' } }
    expect(await refusalOf((await asked(house, body, guessed)).response)).toMatchObject({ code: 'invalid_api_key' })
    await house.account.revokeKey(house.keyId)
    expect(await refusalOf((await asked(house, body)).response)).toMatchObject({ code: 'api_key_revoked' })
    const scopeless = await aHouse({ nodes: [honest], key: { scopes: [] } })
    expect(await refusalOf((await asked(scopeless, body)).response)).toMatchObject({ code: 'scope_missing' })
    const elsewhere = await aHouse({ nodes: [honest], key: { models: ['test/other'] } }) // only its name counts
    expect(await refusalOf((await asked(elsewhere, body)).response)).toMatchObject({ code: 'model_not_allowed' })
  })

  it('where its key may use none of the nodes, and names only those that it may', async () => {
    const key = { nodes: [nodeIdOf(1)] }
    const house = await aHouse({ nodes: [honest, honest], key })
    expect((await quoteOf(house)).candidates.map(({ node }) => node)).toEqual([nodeIdOf(1)])
    const none = await aHouse({ nodes: [honest], key })
    const body = { endpoint: CHAT, request: chat() }
    expect(await refusalOf((await asked(none, body)).response)).toMatchObject({ code: 'node_not_allowed' })
  })
})

describe('a call with a price lock', () => {
  it('is charged by the locked prices when they have risen, and its line and its ticket say so', async () => {
    const house = await aHouse({ nodes: [honest], offers: [priced(10_000_000n, 4)] })
    const quote = await quoteOf(house)
    house.change(0, priced(90_000_000n, 5))
    const { response, record } = await callWith(house, quote.lock)
    expect(record).toMatchObject({ chargeNanos: 70n, priceVersion: 4 })
    expect(response.headers.get('x-souk-hold')).toBe(quote.highest)
    expect(readTicket(house.sent[0]?.ticket ?? '')?.prices.output).toBe('10000000')
  })

  it('is charged by the prices of today when they have fallen', async () => {
    const house = await aHouse({ nodes: [honest], offers: [priced(10_000_000n, 4)] })
    const { lock } = await quoteOf(house)
    house.change(0, priced(5_000_000n, 5))
    expect((await callWith(house, lock)).record).toMatchObject({ chargeNanos: 60n, priceVersion: 5 })
  })

  it('is served at its prices also where they would be far too dear today beside others', async () => {
    const house = await aHouse({ nodes: [honest, honest], offers: [priced(10_000_000n), priced(10_000_000n)] })
    const { lock } = await quoteOf(house)
    house.change(0, priced(90_000_000n, 2))
    house.change(1, { ...priced(10_000_000n), breaker: 'open', breakerUntil: null })
    expect((await callWith(house, lock)).response.status).toBe(200)
  })

  it('goes to no offer that the lock does not name, and says why nobody is left', async () => {
    const house = await aHouse({ nodes: [honest, honest], key: { nodes: [nodeIdOf(0), nodeIdOf(1)] } })
    const only = { provider: { only: [nodeIdOf(0)] } }
    const { lock } = await quoteOf(house, { endpoint: CHAT, request: chat(only) })
    for (let times = 0; times < 3; times++) {
      const { response } = await callWith(house, lock)
      expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(0))
    }
    house.change(0, { inFlightCap: 0 })
    const { response } = await callWith(house, lock)
    expect(response.status).toBe(429)
    house.change(0, { nodeId: nodeIdOf(7) })
    expect(await refusalOf((await callWith(house, lock)).response)).toMatchObject({
      status: 503,
      message: expect.stringContaining('price lock') as string,
    })
  })

  it('is refused for a lock that is forged, foreign or over, before anything is held', async () => {
    const house = await aHouse({ nodes: [honest] })
    const other = await aHouse({ nodes: [honest] })
    const { lock: foreign } = await quoteOf(other)
    const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
    const offers = [{ node: nodeIdOf(0), model: 'test/echo', prices: ['0', '0', '0', '0', '0'], version: 1 }]
    const past = { account: house.accountId, iat: 1_600_000_000, exp: 1_600_000_120, offers }
    const over = await key.attest('souk-price-lock', past)
    const param = 'provider.price_lock'
    expect(await refusalOf((await callWith(house, 'x')).response)).toMatchObject({ status: 400, param })
    expect(await refusalOf((await callWith(house, foreign)).response)).toMatchObject({ status: 400, param })
    expect(await refusalOf((await callWith(house, over)).response)).toMatchObject({
      status: 409,
      code: 'price_lock_expired',
    })
    expect(house.sent).toEqual([])
  })

  it('never holds more than was quoted for its request, whatever became of the prices', async () => {
    let state = 7
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below
    const part = () => nanos(BigInt(random(20_000_000)))
    const anyPrice = () => ({
      price: aPrice({ inputPerMillion: part(), outputPerMillion: part(), perCall: nanos(BigInt(random(300))) }),
    })
    const house = await aHouse({ nodes: [honest, honest, honest, honest], offers: [0, 1, 2, 3].map(anyPrice) })
    let served = 0
    for (let story = 0; story < 12; story++) {
      const n = random(3)
      const over = { max_tokens: 1 + random(50), provider: n < 2 ? {} : { quorum: { n } } }
      const { response: quoted } = await asked(house, { endpoint: CHAT, request: chat(over) })
      // Prices may be so far apart that there are not enough for a quorum.
      if (quoted.status !== 200) continue
      const { highest, lock } = QuoteReply.parse(await quoted.json())
      for (let index = 0; index < 4; index++) house.change(index, { ...anyPrice(), priceVersion: story + 2 })
      const provider = { ...over.provider, price_lock: lock }
      const { response, settled } = await house.call(CHAT, chat({ ...over, provider }))
      await settled()
      if (response.status !== 200) continue
      const hold = response.headers.get('x-souk-hold') ?? '9'
      expect(Number(hold)).toBeLessThanOrEqual(Number(highest))
      expect(Number(response.headers.get('x-souk-cost'))).toBeLessThanOrEqual(Number(hold))
      served += 1
    }
    expect(served).toBeGreaterThan(5)
  })
})
