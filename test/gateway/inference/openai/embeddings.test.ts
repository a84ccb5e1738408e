// Embeddings: shorter vectors only where the model's author allows them, and never a vector of another length than was asked for.
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelManifest } from '../../../../protocol/model.ts'
import { EmbeddingReply } from '../../../../protocol/openai.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const PATH = '/v1/embeddings'
const START = 1_000_000_000n

/** Vectors of what was asked for, of eight dimensions otherwise; one token of input a text. */
const node: ScriptedNode = ({ body }) => {
  const { input, dimensions = 8 } = JSON.parse(String(body)) as { input: string[]; dimensions?: number } // our own room's
  const data = input.map((_, index) => ({
    index,
    embedding: Array.from({ length: dimensions }, (__, i) => index + i / 4),
  }))
  return Response.json({ data, usage: { prompt_tokens: input.length, completion_tokens: 0 } })
}
const houseOf = (manifest: Partial<ModelManifest> = {}, script = node) =>
  aHouse({ nodes: [script], model: aModel({ task: 'embeddings', dimensions: 8, ...manifest }) })
const embed = (over: object = {}) => ({ model: 'test/echo', input: ['a', 'b'], ...over })

describe('shorter vectors', () => {
  it.each<[Partial<ModelManifest>, number, boolean]>([
    [{ dimensionsMin: 4 }, 3, false],
    [{ dimensionsMin: 4 }, 4, true],
    [{ dimensionsMin: 4 }, 8, true],
    [{ dimensionsMin: 4 }, 9, false],
    [{}, 7, false],
    [{}, 8, true],
    [{}, 9, false],
    [{ dimensions: undefined }, 8, false],
  ])('of a model with %j: %s dimensions are allowed: %s', async (manifest, dimensions, isAllowed) => {
    const house = await houseOf(manifest)
    const { response } = await house.call(PATH, embed({ dimensions }))
    const text = await response.text()
    expect(response.status).toBe(isAllowed ? 200 : 400)
    if (isAllowed) {
      expect(EmbeddingReply.parse(JSON.parse(text)).data.map(({ embedding }) => embedding.length)).toEqual([
        dimensions,
        dimensions,
      ])
      expect(JSON.parse(String(house.sent[0]?.body))).toEqual({ model: 'test/echo', input: ['a', 'b'], dimensions })
      return
    }
    expect((JSON.parse(text) as { error: object }).error).toMatchObject({
      code: 'invalid_request',
      param: 'dimensions',
    })
    expect(house.sent).toHaveLength(0)
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('cost what whole ones cost', async () => {
    const house = await houseOf({ dimensionsMin: 1 })
    const costs: bigint[] = []
    for (const dimensions of [1, 8, null]) {
      const before = (await house.account.balance()).availableNanos
      await (await house.call(PATH, embed({ dimensions }))).response.text()
      costs.push(before - (await house.account.balance()).availableNanos)
    }
    expect(costs).toEqual([20n, 20n, 20n])
  })

  it.each<[string, number, number | undefined]>([
    ['longer', 8, 4],
    ['shorter', 3, 4],
    ['shorter than the whole', 4, undefined],
  ])(
    'of a node that gives %s ones than were asked for are its fault, and cost nothing',
    async (_, given, dimensions) => {
      const liar: ScriptedNode = () => {
        const data = [0, 1].map((index) => ({ index, embedding: Array(given).fill(1) }))
        return Response.json({ data, usage: { prompt_tokens: 2, completion_tokens: 0 } })
      }
      const house = await houseOf({ dimensionsMin: 1 }, liar)
      const { response } = await house.call(PATH, embed({ dimensions }))
      expect(response.status).toBe(502)
      expect(house.reports[0]).toMatchObject({ outcome: 'provider_failed', fault: 'node' })
      expect((await house.account.balance()).availableNanos).toBe(START)
    },
  )
})

it('a text is too long by itself, and never because of the others: a node that says so lies', async () => {
  const refuse: ScriptedNode = () => Response.json({ error: { code: 'context_length_exceeded' } }, { status: 400 })
  const house = await houseOf({}, refuse)
  const askFor = async (input: string[]) => {
    const { response } = await house.call(PATH, embed({ input }))
    return (await response.json<{ error: { code: string } }>()).error.code
  }
  expect(await askFor(Array(9).fill('x'.repeat(100)))).toBe('provider_failed')
  expect(await askFor(['x', 'x'.repeat(600)])).toBe('context_length_exceeded')
  expect(await askFor(['x'.repeat(600)])).toBe('context_length_exceeded')
})

it('one text alone reaches the official client, which asks for base64, as the numbers the node gave', async () => {
  const house = await houseOf({ dimensionsMin: 1 })
  const client = new OpenAI({
    apiKey: 'x',
    baseURL: 'https://gateway.test/v1',
    maxRetries: 0,
    fetch: async (url, init) => {
      const headers = Object.fromEntries(new Headers(init?.headers))
      return (await house.call(new URL(String(url)).pathname, String(init?.body), { headers })).response
    },
  })
  const { data, usage } = await client.embeddings.create({ model: 'test/echo', input: 'a', dimensions: 3 })
  expect(data).toHaveLength(1)
  expect([...(data[0]?.embedding ?? [])]).toEqual([0, 0.25, 0.5])
  expect(usage).toMatchObject({ prompt_tokens: 1, total_tokens: 1, cost: '0.000000010' })
  await expect(client.embeddings.create({ model: 'test/echo', input: 'a', dimensions: 9 })).rejects.toMatchObject({
    status: 400,
    param: 'dimensions',
  })
})

describe('a node that computes before it speaks', () => {
  const slow =
    (ms: number): ScriptedNode =>
    async (request) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      return node(request)
    }
  it.each([
    [150, 200],
    [900, 504],
  ])('has the time of a first output for its head as well: after %s ms %s', async (ms, status) => {
    const model = aModel({ task: 'embeddings', dimensions: 8 })
    const house = await aHouse({ nodes: [slow(ms)], model, timeouts: { connectMs: 50, firstTokenMs: 300 } })
    expect((await house.call(PATH, embed())).response.status).toBe(status)
  })
})
