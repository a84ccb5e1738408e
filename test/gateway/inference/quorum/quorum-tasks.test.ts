// Quorums of vectors, of tensors and of older completions: what counts as the same answer there, and what is told of who agreed.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeAnswer } from '../../../../protocol/oip-canonical.ts'
import type { Tensor } from '../../../../protocol/oip.ts'
import { PROVIDER_HEADER } from '../../../../protocol/provider-header.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, honest, nodeIdOf, type ScriptedNode } from '../call-house.ts'
import { answerOf, aTensorHouse, tensorModel, tensorNode } from '../tensor-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const FUNDS = 1_000_000_000n
const spent = async ({ account }: Awaited<ReturnType<typeof aHouse>>) =>
  FUNDS - (await account.balance()).availableNanos
const outcomes = ({ reports }: Awaited<ReturnType<typeof aHouse>>) =>
  Object.fromEntries(reports.map(({ nodeId, outcome, fault }) => [nodeId, `${outcome} ${fault}`]))

describe('a quorum of vectors', () => {
  const vectors =
    (...embedding: number[]): ScriptedNode =>
    () =>
      Response.json({ data: [{ index: 0, embedding }], usage: { prompt_tokens: 3, completion_tokens: 0 } })
  const model = aModel({ id: 'test/vectors', task: 'embeddings', dimensions: 3 })
  const offers = Array.from({ length: 3 }, () => ({ modelId: model.id }))
  const asked = (quorum: object) => ({ model: 'test/vectors', input: 'hi', provider: { quorum } })

  it('agrees as machines round, and outvotes a vector that points elsewhere or is longer', async () => {
    for (const wrong of [vectors(3, 2, 1), vectors(2, 4, 6)]) {
      const house = await aHouse({ nodes: [wrong, vectors(1, 2, 3), vectors(1.001, 2, 3)], model, offers })
      const { response, settled } = await house.call('/v1/embeddings', asked({ n: 3, agree: 2 }))
      const body = await response.json<{ data: { embedding: number[] }[]; souk: { parts: { node: string }[] } }>()
      await settled()
      expect(body.data[0]?.embedding[0]).toBeCloseTo(1, 2)
      expect(body.souk.parts.map(({ node }) => node).sort()).toEqual([nodeIdOf(1), nodeIdOf(2)])
      expect(await spent(house)).toBe(60n)
    }
  })

  it('that is not reached charges nothing', async () => {
    const house = await aHouse({ nodes: [vectors(1, 2, 3), vectors(3, 2, 1)], model, offers })
    const { response } = await house.call('/v1/embeddings', asked({ n: 2 }))
    expect(response.status).toBe(502)
    expect(await spent(house)).toBe(0n)
  })
})

describe('a quorum of tensors', () => {
  const scaled = (factor: number): ScriptedNode =>
    tensorNode((answer, receipt) =>
      encodeAnswer({ ...answer, outputs: answer.outputs.map((out) => times(out, factor)) }, receipt),
    )
  const times = (output: Tensor, factor: number): Tensor => {
    if (output.name !== 'scores') return output
    const values = new Float32Array(output.data.slice().buffer).map((value) => value * factor)
    return { ...output, data: new Uint8Array(values.buffer) }
  }
  const asking = (quorum: object) => ({ init: { headers: { [PROVIDER_HEADER]: JSON.stringify({ quorum }) } } })

  it('agrees within the tolerance, outvotes what is off by more, and names who agreed', async () => {
    const house = await aTensorHouse({ nodes: [scaled(1.01), scaled(1), scaled(1.0004)] })
    const call = await house.infer(asking({ n: 3, agree: 2 }))
    await call.settled()
    const { parameters, outputs } = answerOf(call)
    expect(String(parameters.souk_parts).split(',').sort()).toEqual([nodeIdOf(1), nodeIdOf(2)])
    expect(outputs).toHaveLength(3)
    const single = await aTensorHouse()
    await (await single.infer()).settled()
    expect(await spent(house)).toBe(2n * (await spent(single)))
  })

  it('of answers too large to be held together is refused, with how many can be', async () => {
    const model = tensorModel({}, 8 * 1024 * 1024)
    const nodes = [1, 2, 3, 4, 5].map(() => tensorNode())
    const fits = await aTensorHouse({ nodes: nodes.slice(0, 4), model })
    expect((await fits.infer(asking({ n: 4 }))).response.status).toBe(200)
    const house = await aTensorHouse({ nodes, model })
    const { response } = await house.infer(asking({ n: 5 }))
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('at most 4 can be compared')
    expect(house.sent).toEqual([])
  })
})

it('a quorum of older completions is one of texts', async () => {
  const house = await aHouse({ nodes: [honest, honest] })
  const provider = { quorum: { n: 2 } }
  const { response } = await house.call('/v1/completions', { model: 'test/echo', prompt: 'hi', provider })
  const body = await response.json<{ choices: { text: string }[]; souk: { parts: object[] } }>()
  expect(body.choices[0]?.text).toBe('one two')
  expect(body.souk.parts).toHaveLength(2)
  expect(Object.values(outcomes(house))).toEqual(['served none', 'served none'])
})

describe('log probabilities of a quorum', () => {
  it('are bounded for all nodes together, also for who streams: they wait until they are compared', async () => {
    const model = aModel({ outputTokensMax: 100_000, contextTokens: 200_000 })
    const offers = [0, 1].map(() => ({ outputTokensMax: 100_000, contextTokens: 200_000 }))
    const house = await aHouse({ nodes: [honest, honest], model, offers })
    const asked = { model: 'test/echo', messages: [{ role: 'user', content: 'hi' }], max_tokens: 100_000 }
    const most = async (over: object) => {
      const before = house.sent.length
      const { response, settled } = await house.call('/v1/chat/completions', { ...asked, ...over })
      await response.text()
      await settled()
      const bodies = house.sent.slice(before).map(({ body }) => JSON.parse(String(body)) as { max_tokens: number }) // our own
      return bodies.map(({ max_tokens }) => max_tokens)
    }
    const provider = { quorum: { n: 2 } }
    expect(await most({ stream: true, logprobs: true, provider })).toEqual([65_536, 65_536])
    expect(await most({ stream: true, provider })).toEqual([100_000, 100_000])
  })
})
