// What an answer may be, what is said about it, and what never is: lengths, headers, refusals, logs.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { NodeRequest } from '../../../gateway/link/node-link.ts'
import { aModel } from '../../support/workers/builders.ts'
import { aHouse, chat, finish, honest, sse, token, type ScriptedNode } from './call-house.ts'

const START = 1_000_000_000n
type House = Awaited<ReturnType<typeof aHouse>>

const log: string[] = []
beforeEach(() => {
  log.length = 0
  vi.spyOn(console, 'error').mockImplementation((line: string) => void log.push(line))
})
afterEach(() => {
  vi.restoreAllMocks()
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const codeOf = async (response: Response) => (await response.json<{ error?: { code: string } }>()).error?.code
const spent = async (house: House) => START - (await house.account.balance()).availableNanos
const stand = (house: House) => house.account.balance()
const embedder = aModel({ task: 'embeddings' })
const embed = { model: 'test/echo', input: ['a', 'b'] }

it.each([
  ['a stream', '/v1/chat/completions', chat(), () => sse(['CANARY no json']), aModel()],
  ['one piece', '/v1/embeddings', embed, () => new Response('CANARY no json'), embedder],
] as const)('logs nothing of an answer in %s that is no JSON', async (_, path, body, node, model) => {
  const house = await aHouse({ nodes: [node], model })
  const { response } = await house.call(path, body)
  expect(await codeOf(response)).toBe('provider_failed')
  expect(log.length).toBeGreaterThan(0)
  expect(log.join('')).not.toContain('CANARY')
})

it('takes no money for vectors of unequal length', async () => {
  const data = [
    { index: 0, embedding: [1, 2] },
    { index: 1, embedding: [1] },
  ]
  const node = () => Response.json({ data, usage: { prompt_tokens: 2, completion_tokens: 0 } })
  const house = await aHouse({ nodes: [node], model: embedder })
  const { response } = await house.call('/v1/embeddings', embed)
  expect(await codeOf(response)).toBe('provider_failed')
  expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
})

describe('the headers', () => {
  it('say what the gateway took until the first attempt, and not what the node took', async () => {
    const slow: ScriptedNode = async (request: NodeRequest) => {
      await pause(1_500)
      return honest(request)
    }
    const house = await aHouse({ nodes: [slow] })
    for (const stream of [false, true]) {
      const { response } = await house.call('/v1/chat/completions', chat({ stream }))
      await response.text()
      const took = Number(/^gateway;dur=(\d+)$/.exec(response.headers.get('server-timing') ?? '')?.[1])
      expect(took).toBeLessThan(1_200)
    }
  })

  it('name the call of a refusal too, so that it can be asked about', async () => {
    const house = await aHouse({ nodes: [() => new Response(null, { status: 500 })] })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(502)
    const id = response.headers.get('x-souk-call-id') ?? ''
    const found = await (await house.get(`/v1/generation?id=${id}`)).json<{ data: object }>()
    expect(found.data).toMatchObject({
      outcome: 'failed',
      errorCode: 'provider_failed',
      usage: { cost: '0.000000000' },
    })
  })
})

describe('an answer may be as long as what was ordered', () => {
  const long = aModel({ contextTokens: 40_000, outputTokensMax: 20_000 })

  it('though its events are many times its text', { timeout: 20_000 }, async () => {
    const padding = 'p'.repeat(350)
    const events = Array.from({ length: 20_000 }, (_, i) => ({ ...token('x', i + 1), padding }))
    const house = await aHouse({ nodes: [() => sse([...events, finish(20_000), '[DONE]'])], model: long })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    expect(await spent(house)).toBe(200_050n)
  })

  it('but what is collected of it is bounded, whatever a node sends for a token', async () => {
    const events = Array.from({ length: 10 }, (_, i) => token('x'.repeat(1_000_000), i + 1))
    const house = await aHouse({ nodes: [() => sse([...events, finish(10), '[DONE]'])], model: long })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(await codeOf(response)).toBe('provider_failed')
    expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })
})

it('refuses a revoked key everywhere, before a node is asked', async () => {
  const house = await aHouse({ nodes: [honest] })
  await house.account.revokeKey(house.keyId)
  const { response } = await house.call('/v1/chat/completions', chat())
  const answers = [response, await house.get('/v1/key'), await house.get('/v1/generation?id=x')]
  expect(await Promise.all(answers.map(codeOf))).toEqual(Array(3).fill('api_key_revoked'))
  expect(house.sent).toHaveLength(0)
})

describe('a call that costs nothing', () => {
  const free = {
    inputPerMillion: 0n,
    outputPerMillion: 0n,
    cachedInputPerMillion: 0n,
    bytesPerMillion: 0n,
    perCall: 0n,
  }
  it('is served on an empty balance and written down without legs', async () => {
    const house = await aHouse({ nodes: [honest], usd: '0', offers: [{ price: free as never }] })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    const id = response.headers.get('x-souk-call-id') ?? ''
    const found = await (await house.get(`/v1/generation?id=${id}`)).json<{ data: object }>()
    expect(found.data).toMatchObject({ outcome: 'complete', legs: [], usage: { cost: '0.000000000' } })
  })
})
