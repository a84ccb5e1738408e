// `POST /v1/completions`, as the official client calls it: prompts with choices, log probabilities in their older form, streams, bills.
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Completion, type TokenLogprob } from '../../../../protocol/openai.ts'
import { SseDecoder } from '../../../../protocol/sse.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, nodeIdOf, sse, type CallInit, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

type House = Awaited<ReturnType<typeof aHouse>>
const PATH = '/v1/completions'
const START = 1_000_000_000n
const spent = async (house: House) => START - (await house.account.balance()).availableNanos

const chance = (token: string, logprob: number) => ({ token, logprob, bytes: [...new TextEncoder().encode(token)] })
const aToken = (token: string, alternatives: Record<string, number> = {}): TokenLogprob => ({
  ...chance(token, -0.5),
  top_logprobs: Object.entries(alternatives).map(([other, logprob]) => chance(other, logprob)),
})

/** Answers choice i of every prompt with "<i>a<i>b", two tokens, all choices in turn; 3 tokens of input a prompt. */
const counting: ScriptedNode = ({ body }) => {
  const asked = JSON.parse(String(body)) as { prompt?: string | string[]; n?: number; logprobs?: number } // our own room's
  const prompts = Array.isArray(asked.prompt) ? asked.prompt.length : 1
  const choices = Array.from({ length: prompts * (asked.n ?? 1) }, (_, index) => index)
  let output = 0
  const event = (index: number, content: string, finish_reason: string | null, tokens: TokenLogprob[]) => ({
    choices: [
      { index, delta: { content }, finish_reason, ...(asked.logprobs === undefined ? {} : { logprobs: tokens }) },
    ],
    usage: { prompt_tokens: 3 * prompts, completion_tokens: output },
  })
  const round = (letter: string) =>
    choices.map((index) => {
      output += 1
      return event(index, `${index}${letter}`, null, [aToken(`${index}${letter}`, { x: -1, y: -2 })])
    })
  return sse([...round('a'), ...round('b'), ...choices.map((index) => event(index, '', 'length', [])), '[DONE]'])
}

/** The official client before the room, and what each answer said of its cost. */
const clientOf = (house: House) =>
  new OpenAI({
    apiKey: 'x',
    baseURL: 'https://gateway.test/v1',
    maxRetries: 0,
    fetch: async (url, init) => {
      const headers = Object.fromEntries(new Headers(init?.headers))
      return (await house.call(new URL(String(url)).pathname, String(init?.body), { headers })).response
    },
  })
const ask = async (house: House, over: object, init: CallInit = {}) => {
  const { response, settled } = await house.call(PATH, { model: 'test/echo', prompt: 'hi', ...over }, init)
  const text = await response.text()
  await settled()
  return { status: response.status, headers: response.headers, text }
}
const wholeOf = (text: string) => Completion.parse(JSON.parse(text))
const eventsOf = (text: string) => new SseDecoder().push(new TextEncoder().encode(text)).map(({ data }) => data)
function chunksOf(text: string): Completion[] {
  const all = eventsOf(text)
  expect(all.pop()).toBe('[DONE]')
  return all.map((data) => Completion.parse(JSON.parse(data)))
}

describe('the official client', () => {
  it('gets a completion, its price and its proof', async () => {
    const house = await aHouse({ nodes: [counting] })
    const answer = await clientOf(house).completions.create({ model: 'test/echo', prompt: 'hi' })
    expect(answer).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: '0a0b', finish_reason: 'length', logprobs: null }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: '0.000000050' },
      souk: { node: nodeIdOf(0) },
    })
    expect(await spent(house)).toBe(50n)
    expect(house.sent[0]?.path).toBe(PATH)
    expect(JSON.parse(String(house.sent[0]?.body))).toEqual({
      model: 'test/echo',
      prompt: 'hi',
      stream: true,
      max_tokens: 16,
    })
  })

  it('gets three choices', async () => {
    const house = await aHouse({ nodes: [counting] })
    const { choices } = await clientOf(house).completions.create({ model: 'test/echo', prompt: 'hi', n: 3 })
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, '0a0b'],
      [1, '1a1b'],
      [2, '2a2b'],
    ])
    expect(await spent(house)).toBe(90n) // 3 in, 6 out
  })

  it('gets a list of prompts with their choices, prompt by prompt', async () => {
    const house = await aHouse({ nodes: [counting] })
    const request = { model: 'test/echo', prompt: ['a', 'b'], n: 2, max_tokens: 2 }
    const { choices, usage } = await clientOf(house).completions.create(request)
    expect(choices.map(({ text }) => text)).toEqual(['0a0b', '1a1b', '2a2b', '3a3b'])
    expect(usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 8, cost: '0.000000140' })
    expect(await spent(house)).toBe(140n)
    expect(JSON.parse(String(house.sent[0]?.body))).toMatchObject({ prompt: ['a', 'b'], n: 2, max_tokens: 2 })
  })

  it('gets log probabilities in the older form', async () => {
    const house = await aHouse({ nodes: [counting] })
    const { choices } = await clientOf(house).completions.create({
      model: 'test/echo',
      prompt: 'hi',
      logprobs: 1,
      n: 2,
    })
    expect(choices[1]?.logprobs).toEqual({
      tokens: ['1a', '1b'],
      token_logprobs: [-0.5, -0.5],
      // Of the alternatives the one asked for, and the token itself.
      top_logprobs: [
        { x: -1, '1a': -0.5 },
        { x: -1, '1b': -0.5 },
      ],
      text_offset: [0, 2],
    })
    const none = await clientOf(house).completions.create({ model: 'test/echo', prompt: 'hi', logprobs: 0 })
    expect(none.choices[0]?.logprobs).toMatchObject({ tokens: ['0a', '0b'], top_logprobs: null })
  })

  it('reads a stream of all of it', async () => {
    const house = await aHouse({ nodes: [counting] })
    const request = { model: 'test/echo', prompt: ['a', 'b'], logprobs: 2, stream: true as const }
    const texts = ['', '']
    const offsets: number[][] = [[], []]
    const ends: string[] = []
    let cost: unknown
    for await (const { object, choices, usage } of await clientOf(house).completions.create(request)) {
      expect(object).toBe('text_completion')
      for (const { index, text, logprobs, finish_reason } of choices) {
        texts[index] += text
        offsets[index]?.push(...(logprobs?.text_offset ?? []))
        if (finish_reason) ends[index] = finish_reason
      }
      cost = (usage as { cost?: string } | undefined)?.cost ?? cost // ours, beside OpenAI's counts
    }
    expect([texts, offsets, ends]).toEqual([
      ['0a0b', '1a1b'],
      [
        [0, 2],
        [0, 2],
      ],
      ['length', 'length'],
    ])
    expect(cost).toBe('0.000000100')
    expect(await spent(house)).toBe(100n)
  })

  it('is told what is wrong by the name of the field', async () => {
    const house = await aHouse({ nodes: [counting] })
    const create = (over: object) => clientOf(house).completions.create({ model: 'test/echo', prompt: 'hi', ...over })
    await expect(create({ suffix: 'x' })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'suffix',
    })
    await expect(create({ logprobs: 6 })).rejects.toMatchObject({ code: 'invalid_request', param: 'logprobs' })
  })
})

describe('a request for a completion', () => {
  it.each<[string, object, string, string]>([
    ['an echo', { echo: true }, 'unsupported_parameter', 'echo'],
    ['the best of several', { best_of: 2 }, 'unsupported_parameter', 'best_of'],
    ['a biased token', { logit_bias: { 1: 5 } }, 'unsupported_parameter', 'logit_bias'],
    ['a penalty', { presence_penalty: 1 }, 'unsupported_parameter', 'presence_penalty'],
    ['a shape of its answer', { response_format: { type: 'json_object' } }, 'unsupported_parameter', 'response_format'],
    ['messages', { messages: [] }, 'invalid_request', 'messages'],
    ['tokens for a prompt', { prompt: [1, 2, 3] }, 'invalid_request', 'prompt.0'],
    ['no prompt', { prompt: undefined }, 'invalid_request', 'prompt'],
    ['no prompts', { prompt: [] }, 'invalid_request', 'prompt'],
    ['seventeen prompts', { prompt: Array(17).fill('a') }, 'invalid_request', 'prompt'],
    ['nine choices', { n: 9 }, 'invalid_request', 'n'],
  ])('with %s is refused by its name, before a node is asked', async (_, over, code, param) => {
    const house = await aHouse({ nodes: [counting] })
    const { status, text } = await ask(house, over)
    expect([status, (JSON.parse(text) as { error: object }).error]).toMatchObject([400, { code, param }])
    expect(house.sent).toHaveLength(0)
  })

  it('may name the neutral values, and labels for the caller’s own books', async () => {
    const house = await aHouse({ nodes: [counting] })
    const neutral = { echo: false, best_of: 1, presence_penalty: 0, frequency_penalty: 0, user: 'u' }
    expect((await ask(house, neutral)).status).toBe(200)
    const passedOn = { model: 'test/echo', prompt: 'hi', stream: true, max_tokens: 16 }
    expect(JSON.parse(String(house.sent[0]?.body))).toEqual(passedOn)
  })

  it('to a model of embeddings is refused', async () => {
    const house = await aHouse({ nodes: [counting], model: aModel({ task: 'embeddings' }) })
    expect((await ask(house, {})).text).toContain('unsupported_model_task')
  })

  it('holds all prompts and all their choices', async () => {
    const house = await aHouse({ nodes: [counting] })
    const { headers } = await ask(house, { prompt: ['hello', 'you'], n: 2, max_tokens: 5 })
    // 7 and 5 bytes with their quotes, 4 fixed for each; 20 tokens out
    expect(headers.get('x-souk-hold')).toBe('0.000000400')
  })

  it('is served with as many choices as there can be', async () => {
    const house = await aHouse({ nodes: [counting], model: aModel({ contextTokens: 4_000 }) })
    const { text } = await ask(house, { prompt: Array(16).fill('a'), n: 8 })
    const { choices, usage } = wholeOf(text)
    expect(choices).toHaveLength(128)
    expect(choices[127]).toMatchObject({ index: 127, text: '127a127b' })
    expect(usage).toMatchObject({ prompt_tokens: 48, completion_tokens: 256, cost: '0.000003040' })
  })

  it('asks for usage in a chunk of its own', async () => {
    const house = await aHouse({ nodes: [counting] })
    const { text } = await ask(house, { stream: true, stream_options: { include_usage: true } })
    const last = chunksOf(text).filter(({ usage }) => usage)
    expect(last).toMatchObject([{ object: 'text_completion', choices: [], usage: { cost: '0.000000050' } }])
  })
})

describe('a prompt of which a choice is never finished', () => {
  it.each([{ stream: false }, { stream: true }])('costs nothing (%j)', async ({ stream }) => {
    const event = (index: number, content: string, finish_reason: string | null) => ({
      choices: [{ index, delta: { content }, finish_reason }],
      usage: { prompt_tokens: 6, completion_tokens: 2 },
    })
    const house = await aHouse({ nodes: [() => sse([event(0, 'a', 'stop'), event(1, 'b', null), '[DONE]'])] })
    const { text } = await ask(house, { prompt: ['a', 'b'], stream })
    expect(text).toContain('"code":"provider_broke_off"')
    expect(text).not.toContain('[DONE]')
    expect(await house.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })
})

describe('under an Idempotency-Key', () => {
  const once = { headers: { 'Idempotency-Key': 'order-1' } }

  it('is given again, and is another request than a chat under the same key', async () => {
    const house = await aHouse({ nodes: [counting] })
    const first = await ask(house, { n: 2 }, once)
    const again = await ask(house, { n: 2 }, once)
    expect([again.text, again.headers.get('x-souk-replayed')]).toEqual([first.text, 'true'])
    expect((await ask(house, { n: 3 }, once)).status).toBe(422)
    const chat = { model: 'test/echo', messages: [{ role: 'user', content: 'hi' }] }
    const { response } = await house.call('/v1/chat/completions', chat, once)
    expect([response.status, response.headers.get('x-souk-replayed')]).toEqual([200, null])
  })

  it('is streamed again with each choice in one piece, and offsets that fit it', async () => {
    const house = await aHouse({ nodes: [counting] })
    const body = { n: 2, logprobs: 1, stream: true }
    await ask(house, body, once)
    const chunks = chunksOf((await ask(house, body, once)).text)
    expect(chunks.slice(0, 2).map(({ choices }) => choices)).toMatchObject([
      [{ index: 0, text: '0a0b', logprobs: { tokens: ['0a', '0b'], text_offset: [0, 2] } }],
      [{ index: 1, text: '1a1b', logprobs: { tokens: ['1a', '1b'], text_offset: [0, 2] } }],
    ])
    expect(chunks.slice(2).map(({ choices }) => choices[0]?.finish_reason)).toEqual(['length', 'length'])
    expect([house.sent.length, await spent(house)]).toEqual([1, 70n])
  })
})
