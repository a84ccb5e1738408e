// Chats with several choices and log probabilities: a node that tells them in any order, one that leaves a choice open, and what all of it costs.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ChatChunk, ChatCompletion, type TokenLogprob } from '../../../../protocol/openai.ts'
import { SseDecoder } from '../../../../protocol/sse.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, chat, nodeIdOf, sse, type CallInit, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

type House = Awaited<ReturnType<typeof aHouse>>
const PATH = '/v1/chat/completions'
const START = 1_000_000_000n
const spent = async (house: House) => START - (await house.account.balance()).availableNanos

async function expectNothingCharged(house: House) {
  expect(await house.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
}

const chance = (token: string, logprob = -0.25) => ({ token, logprob, bytes: [...new TextEncoder().encode(token)] })
const aToken = (token: string, alternatives: string[] = []): TokenLogprob => ({
  ...chance(token),
  top_logprobs: alternatives.map((other, index) => chance(other, -index)),
})
/** 5 tokens of input; `output` counts those of all choices until now. */
const said = (index: number, content: string, output: number, over: object = {}) => ({
  choices: [{ index, delta: { content }, finish_reason: null, ...over }],
  usage: { prompt_tokens: 5, completion_tokens: output },
})
const ended = (index: number, output: number, reason = 'stop', over: object = {}) => ({
  ...said(index, '', output),
  choices: [{ index, delta: {}, finish_reason: reason, ...over }],
})

/** Three choices through one another: "zero", "one!" and nothing; five tokens. */
const interleaved: ScriptedNode = () =>
  sse([
    said(1, 'on', 1),
    said(0, 'ze', 2),
    ended(2, 2),
    said(0, 'ro', 3),
    said(1, 'e', 4),
    ended(0, 4),
    said(1, '!', 5, { finish_reason: 'length' }),
    '[DONE]',
  ])
/** 5 in, 5 out, at 10 nanos each */
const COST = 100n

async function ask(house: House, body: object, init: CallInit = {}, path = PATH) {
  const { response, settled } = await house.call(path, body, init)
  const text = await response.text()
  await settled()
  return { status: response.status, headers: response.headers, text }
}
const events = (text: string) => new SseDecoder().push(new TextEncoder().encode(text)).map(({ data }) => data)
function chunksOf(text: string): ChatChunk[] {
  const all = events(text)
  expect(all.pop()).toBe('[DONE]')
  return all.map((data) => ChatChunk.parse(JSON.parse(data)))
}
const wholeOf = (text: string) => ChatCompletion.parse(JSON.parse(text))
const errorOf = (text: string) => (JSON.parse(text) as { error: { code: string; message: string } }).error // by its status
const textsOf = (chunks: readonly ChatChunk[], n = 3) =>
  Array.from({ length: n }, (_, index) =>
    chunks
      .flatMap(({ choices }) => choices.filter((each) => each.index === index))
      .map(({ delta }) => delta.content ?? ''),
  ).map((parts) => parts.join(''))

describe('three choices, told by the node in any order', () => {
  it('are one answer in order, each with its own end, at the price of all their tokens', async () => {
    const house = await aHouse({ nodes: [interleaved] })
    const { status, text, headers } = await ask(house, chat({ n: 3, max_tokens: 10 }))
    expect(status).toBe(200)
    expect(wholeOf(text)).toMatchObject({
      choices: [
        { index: 0, message: { content: 'zero' }, finish_reason: 'stop', logprobs: null },
        { index: 1, message: { content: 'one!' }, finish_reason: 'length' },
        { index: 2, message: { content: '' }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 5, cost: '0.000000100' },
    })
    expect(await spent(house)).toBe(COST)
    // 30 output tokens and the input's bound are held; the node is told the tokens of one choice.
    const bound = BigInt(JSON.stringify(chat().messages).length + 4 + 3)
    expect(headers.get('x-souk-hold')).toBe(`0.${String((bound + 30n) * 10n).padStart(9, '0')}`)
    expect(JSON.parse(String(house.sent[0]?.body))).toMatchObject({ n: 3, max_tokens: 10 })
  })

  it('are streamed as they come, each beginning with who speaks, and end when the call is captured', async () => {
    const house = await aHouse({ nodes: [interleaved] })
    const { text } = await ask(house, chat({ n: 3, stream: true }))
    const chunks = chunksOf(text)
    const told = chunks.map(({ choices: [choice] }) => [
      choice?.index,
      choice?.delta.role ?? '',
      choice?.delta.content ?? '',
      choice?.finish_reason,
    ])
    expect(told).toEqual([
      [1, 'assistant', 'on', null],
      [0, 'assistant', 'ze', null],
      [0, '', 'ro', null],
      [1, '', 'e', null],
      [1, '', '!', null],
      [2, 'assistant', '', null],
      [0, '', '', 'stop'],
      [1, '', '', 'length'],
      [2, '', '', 'stop'],
    ])
    expect(chunks.filter(({ usage }) => usage).map(({ choices }) => choices[0]?.index)).toEqual([2])
    expect(chunks.at(-1)).toMatchObject({ usage: { cost: '0.000000100' }, provider: nodeIdOf(0) })
    expect(await spent(house)).toBe(COST)
  })

  it('say usage only in the chunk without choices for who asked for it', async () => {
    const house = await aHouse({ nodes: [interleaved] })
    const { text } = await ask(house, chat({ n: 3, stream: true, stream_options: { include_usage: true } }))
    const withUsage = chunksOf(text).filter(({ usage }) => usage)
    expect(withUsage.map(({ choices }) => choices)).toEqual([[]])
  })

  it('end as `length` where the node says that it made more than was ordered of all of them', async () => {
    const more = [said(0, 'x'.repeat(30), 15), ended(0, 15), said(1, 'y'.repeat(30), 21), said(1, 'z', 22)]
    const house = await aHouse({ nodes: [() => sse(more, 'hang')] })
    const { text } = await ask(house, chat({ n: 2, max_tokens: 10 }))
    const { choices, usage } = wholeOf(text)
    expect(choices.map(({ finish_reason }) => finish_reason)).toEqual(['stop', 'length'])
    expect(usage).toMatchObject({ completion_tokens: 20, cost: '0.000000250' })
    expect(await spent(house)).toBe(250n)
  })

  it('may have characters cut in two by one another', async () => {
    const smile = '😀'
    const halves = [
      said(0, smile.charAt(0), 9),
      said(1, smile.charAt(0), 9),
      said(1, smile.charAt(1), 9),
      said(0, smile.charAt(1), 9),
      ended(0, 9),
      ended(1, 9),
      '[DONE]',
    ]
    const house = await aHouse({ nodes: [() => sse(halves)] })
    const { text } = await ask(house, chat({ n: 2 }))
    // Eight bytes are at most eight tokens, however they came.
    expect(wholeOf(text).usage.completion_tokens).toBe(8)
  })
})

describe('an answer that is not whole', () => {
  const broken: [string, ScriptedNode, string][] = [
    ['never ends choice 2', () => sse([said(0, 'a', 1), ended(0, 1), said(1, 'b', 2), '[DONE]']), 'provider_broke_off'],
    ['never begins choice 2', () => sse([said(0, 'a', 1), ended(0, 1), '[DONE]']), 'provider_broke_off'],
    [
      'breaks off in choice 2',
      () => sse([said(0, 'a', 1), ended(0, 1), said(1, 'b', 2)], 'break'),
      'provider_broke_off',
    ],
    ['stalls in choice 2', () => sse([said(0, 'a', 1), ended(0, 1), said(1, 'b', 2)], 'hang'), 'provider_timeout'],
    [
      'tells a third',
      () => sse([said(0, 'a', 1), said(2, 'c', 2), ended(0, 2), ended(1, 2), '[DONE]']),
      'provider_failed',
    ],
    [
      'goes on behind an end',
      () => sse([said(0, 'a', 1), ended(0, 1), said(0, 'b', 2), ended(1, 2), '[DONE]']),
      'provider_failed',
    ],
  ]
  it.each(broken)('of a node that %s costs nothing, streamed or not, and marks the node', async (_, node, code) => {
    const house = await aHouse({ nodes: [node], timeouts: { gapMs: 60 } })
    const whole = await ask(house, chat({ n: 2 }))
    expect(errorOf(whole.text).code).toBe(code)
    const { text } = await ask(house, chat({ n: 2, stream: true }))
    expect(text).toContain(`"code":"${code}"`)
    expect(text).not.toContain('[DONE]')
    // Not even the choice that the node had ended looks whole.
    expect(text).not.toMatch(/"finish_reason":"/)
    await expectNothingCharged(house)
    expect(house.reports.map(({ outcome, fault }) => [outcome, fault])).toEqual(Array(2).fill([code, 'node']))
  })

  it('is thrown away whole, and another node is asked, for a caller who does not stream', async () => {
    const half: ScriptedNode = () => sse([said(0, 'half', 1), ended(0, 1), said(1, 'ha', 2), '[DONE]'])
    const nodes = [half, interleaved]
    const house = await aHouse({ nodes, random: (length) => new Uint8Array(length).fill(1) })
    const { text } = await ask(house, chat({ n: 3 }))
    expect(wholeOf(text).choices.map(({ message }) => message.content)).toEqual(['zero', 'one!', ''])
    expect(house.sent).toHaveLength(2)
    expect(await spent(house)).toBe(COST)
  })

  it('costs a caller who hung up what all choices had brought until then', async () => {
    const house = await aHouse({ nodes: [() => sse([said(0, 'one ', 1), said(1, 'two ', 2)], 'hang')] })
    const caller = new AbortController()
    const { response, settled } = await house.call(PATH, chat({ n: 2, stream: true }), { signal: caller.signal })
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.read()
    caller.abort()
    await settled()
    expect(await spent(house)).toBe(70n)
  })
})

describe('log probabilities', () => {
  const node: ScriptedNode = () =>
    sse([
      said(0, '', 1, { logprobs: [aToken('H', ['h', 'J', 'x'])] }),
      said(0, 'Hi', 2, { logprobs: [aToken('i', ['o', 'e', 'y'])] }),
      ended(0, 3, 'stop', { logprobs: [aToken('\n\n', ['!'])] }),
      '[DONE]',
    ])
  const names = (tokens: readonly { token: string }[] = []) => tokens.map(({ token }) => token)

  it('stand beside a whole answer, with the alternatives that were asked for', async () => {
    const house = await aHouse({ nodes: [node] })
    const { text } = await ask(house, chat({ logprobs: true, top_logprobs: 2 }))
    const [choice] = wholeOf(text).choices
    expect(names(choice?.logprobs?.content)).toEqual(['H', 'i', '\n\n'])
    expect(choice?.logprobs?.content.map(({ top_logprobs }) => names(top_logprobs))).toEqual([
      ['h', 'J'],
      ['o', 'e'],
      ['!'],
    ])
    expect(choice?.logprobs).toMatchObject({ refusal: null, content: [{ logprob: -0.25, bytes: [72] }, {}, {}] })
    expect(JSON.parse(String(house.sent[0]?.body))).toMatchObject({ logprobs: true, top_logprobs: 2 })
    expect(await spent(house)).toBe(70n) // 5 in; 3 claimed, of which two bytes can be two
  })

  it('are streamed with their text, none before the first text', async () => {
    const house = await aHouse({ nodes: [node] })
    const { text } = await ask(house, chat({ logprobs: true, stream: true }))
    const told = chunksOf(text).map(({ choices: [choice] }) => [
      choice?.delta.content,
      choice?.logprobs && names(choice.logprobs.content),
      choice?.finish_reason,
    ])
    expect(told).toEqual([
      ['Hi', ['H', 'i'], null],
      [undefined, ['\n\n'], 'stop'],
    ])
  })

  it.each([{ stream: false }, { stream: true }])('are not given to who did not ask (%j)', async ({ stream }) => {
    const house = await aHouse({ nodes: [node] })
    const { text } = await ask(house, chat({ stream }))
    expect(text).not.toContain('"top_logprobs"')
    expect(text).toContain('Hi')
  })

  it('that a node leaves out are its fault, and cost nothing', async () => {
    const mute: ScriptedNode = () => sse([said(0, 'Hi', 2), ended(0, 2), '[DONE]'])
    const house = await aHouse({ nodes: [mute] })
    expect(errorOf((await ask(house, chat({ logprobs: true }))).text).code).toBe('provider_failed')
    expect(house.reports[0]).toMatchObject({ fault: 'node' })
    await expectNothingCharged(house)
  })

  it(
    'may be many times the text: an answer of all that was ordered is never too large',
    { timeout: 20_000 },
    async () => {
      const alternatives = Array.from({ length: 20 }, (_, index) => `alternative ${index}`)
      const events = Array.from({ length: 4_000 }, (_, i) =>
        said(0, 'x', i + 1, { logprobs: [aToken('x', alternatives)] }),
      )
      const model = aModel({ contextTokens: 8_000, outputTokensMax: 4_000 })
      const large = events.reduce((sum, event) => sum + JSON.stringify(event).length, 0)
      expect(large).toBeGreaterThan(6_000_000)
      const house = await aHouse({ nodes: [() => sse([...events, ended(0, 4_000), '[DONE]'])], model })
      const { text } = await ask(house, chat({ logprobs: true, top_logprobs: 20 }))
      expect(wholeOf(text).choices[0]?.logprobs?.content).toHaveLength(4_000)
    },
  )
})

describe('under an Idempotency-Key', () => {
  const once = { headers: { 'Idempotency-Key': 'order-1' } }
  const withChances: ScriptedNode = () =>
    sse([
      said(1, 'b', 1, { logprobs: [aToken('b', ['c'])] }),
      said(0, 'a', 2, { logprobs: [aToken('a')] }),
      said(1, 'B', 3, { logprobs: [aToken('B')] }),
      ended(1, 3, 'length'),
      ended(2, 3),
      ended(0, 3, 'stop', { logprobs: [aToken('END')] }),
      '[DONE]',
    ])
  const body = { n: 3, logprobs: true, top_logprobs: 1 }

  it('all choices are given again word for word, for one charge', async () => {
    const house = await aHouse({ nodes: [withChances] })
    const first = await ask(house, chat(body), once)
    const again = await ask(house, chat(body), once)
    expect(again.text).toBe(first.text)
    expect(again.headers.get('x-souk-replayed')).toBe('true')
    expect(house.sent).toHaveLength(1)
  })

  it.each([[undefined], [{ include_usage: true }]])(
    'a stream has each choice in one piece (%j)',
    async (stream_options) => {
      const house = await aHouse({ nodes: [withChances] })
      const streamed = chat({ ...body, stream: true, stream_options })
      const [first, again] = [await ask(house, streamed, once), await ask(house, streamed, once)]
      const [said, repeated] = [chunksOf(first.text), chunksOf(again.text)]
      expect(again.headers.get('x-souk-replayed')).toBe('true')
      expect(textsOf(repeated)).toEqual(textsOf(said))
      expect(textsOf(repeated)).toEqual(['a', 'bB', ''])
      const chances = (chunks: ChatChunk[], index: number) =>
        chunks
          .flatMap(({ choices }) => choices)
          .filter((choice) => choice.index === index)
          .flatMap(({ logprobs }) => logprobs?.content ?? [])
      for (const index of [0, 1, 2]) expect(chances(repeated, index)).toEqual(chances(said, index))
      const roles = repeated.flatMap(({ choices }) => choices).filter(({ delta }) => delta.role)
      expect(roles.map(({ index }) => index).sort()).toEqual([0, 1, 2])
      // From the first finish chunk on, word for word.
      const tailOf = (chunks: ChatChunk[]) => chunks.slice(chunks.findIndex(({ choices }) => choices[0]?.finish_reason))
      expect(tailOf(repeated)).toEqual(tailOf(said))
      expect([house.sent.length, await spent(house)]).toEqual([1, 80n])
    },
  )

  it('another number of choices is another request', async () => {
    const house = await aHouse({ nodes: [withChances] })
    await ask(house, chat(body), once)
    expect((await ask(house, chat({ ...body, n: 2 }), once)).status).toBe(422)
  })
})

describe('a parameter that a node cannot honour', () => {
  const cannot: ScriptedNode = () => Response.json({ error: { code: 'unsupported_parameter' } }, { status: 400 })
  const random = (length: number) => new Uint8Array(length).fill(1)

  it('is asked of another node, and marks nobody', async () => {
    const house = await aHouse({ nodes: [cannot, interleaved], random })
    const { status } = await ask(house, chat({ n: 3 }))
    expect(status).toBe(200)
    expect(house.reports[0]).toMatchObject({ outcome: 'unsupported_parameter', fault: 'none' })
    expect(await spent(house)).toBe(COST)
  })

  it.each([{ stream: false }, { stream: true }])('is told to the caller when no node can (%j)', async ({ stream }) => {
    const house = await aHouse({ nodes: [cannot, cannot] })
    const { status, text } = await ask(house, chat({ n: 3, stream }))
    expect([status, errorOf(text).code]).toEqual([400, 'unsupported_parameter'])
    expect(errorOf(text).message).toMatch(/None of the providers .* leave out/)
    expect(house.sent).toHaveLength(2)
    await expectNothingCharged(house)
  })

  it('is not what the caller hears when another node might have done it later', async () => {
    const busy: ScriptedNode = () => Response.json({ error: { code: 'busy' } }, { status: 429 })
    const house = await aHouse({ nodes: [cannot, busy] })
    expect(errorOf((await ask(house, chat({ n: 3 }))).text).code).toBe('provider_busy')
  })
})

it('an input that fits with one choice is not too long for many: a node that says so lies', async () => {
  const refuse: ScriptedNode = () => Response.json({ error: { code: 'context_length_exceeded' } }, { status: 400 })
  const house = await aHouse({ nodes: [refuse] })
  const { text } = await ask(house, chat({ n: 8, max_tokens: 100 }))
  expect(errorOf(text).code).toBe('provider_failed')
  expect(house.reports[0]).toMatchObject({ fault: 'node' })
})

describe('in which order a node tells its choices', () => {
  const texts = fc.array(fc.array(fc.constantFrom('a', 'wör', '😀', ' '), { maxLength: 6 }), {
    minLength: 2,
    maxLength: 4,
  })
  it('never changes an answer or its bill', { timeout: 120_000 }, async () => {
    let events: object[] = []
    const house = await aHouse({ nodes: [() => sse([...events, '[DONE]'])] })
    await fc.assert(
      fc.asyncProperty(texts, fc.infiniteStream(fc.nat(1_000)), fc.boolean(), async (choices, dice, stream) => {
        const total = choices.flat().length
        fc.pre(total > 0)
        const queues = choices.map((parts, index) => [
          ...parts.map((part) => said(index, part, total)),
          ended(index, total),
        ])
        const inOrder = queues.flat()
        const mixed: object[] = []
        while (queues.some((queue) => queue.length > 0)) {
          const open = queues.filter((queue) => queue.length > 0)
          const event = open[(dice.next().value ?? 0) % open.length]?.shift()
          if (event) mixed.push(event)
        }
        const paid: bigint[] = []
        for (const told of [inOrder, mixed]) {
          events = told
          const before = (await house.account.balance()).availableNanos
          const { text } = await ask(house, chat({ n: choices.length, stream }))
          const said = stream
            ? textsOf(chunksOf(text), choices.length)
            : wholeOf(text).choices.map(({ message }) => message.content)
          expect(said).toEqual(choices.map((parts) => parts.join('')))
          paid.push(before - (await house.account.balance()).availableNanos)
        }
        expect(paid[1]).toBe(paid[0])
        expect(paid[0]).toBe(BigInt(5 + total) * 10n)
      }),
      { numRuns: 15 },
    )
  })
})
