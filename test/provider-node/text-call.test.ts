// Text through the node's own port, with tickets, on the real model: choices, prompts, log probabilities, JSON, continued answers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputHash } from '../../protocol/receipt.ts'
import { loadTokenizer } from '../../provider-node/engines/onnx/text/tokenizer.ts'
import { NodeUsageClaim } from '../../protocol/node.ts'
import {
  A_STORY,
  aNode,
  aTicket,
  CHAT_PATH,
  chatBody,
  COMPLETIONS_PATH,
  eventually,
  metric,
  send,
  shippedFolder,
  type TestNode,
} from './builders.ts'
import { evalItems, PERFECT } from './eval-items.ts'
import { NODE_LIMITS } from '../../provider-node/limits.ts'
import { eventsOf } from '../../provider-node/text-call.ts'
import { ask, complete, receiptIn, refusalOf, replyOf } from './text-answers.ts'

let node: TestNode
beforeAll(async () => {
  // Room for the tests that ask many things at once.
  node = await aNode({ models: [{ ...aModel(), concurrencyMax: 16, queueMax: 240 }] })
})
afterAll(() => node.dispose())

const user = (content: string) => [{ role: 'user', content }]
const chat = (content: string, fields: object = {}) => ask(node, CHAT_PATH, { messages: user(content), ...fields })
const sampled = { temperature: 1, max_tokens: 24 }

describe('several choices', () => {
  it('are each answered whole, counted together, with one receipt over all of them in the last event', async () => {
    const body = chatBody(A_STORY, { ...sampled, n: 3, seed: 7 })
    const ticket = aTicket(node, CHAT_PATH, body)
    const { choices, events, isDone, usage } = await replyOf(await send(node, CHAT_PATH, body, ticket))
    expect(isDone).toBe(true)
    expect(choices.map(({ finishReason }) => finishReason !== null)).toEqual([true, true, true])
    expect(new Set(choices.map(({ text }) => text)).size).toBe(3)
    const counts = events.map((event) => NodeUsageClaim.parse(event.usage).completion_tokens)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(events.slice(0, -1).some(({ receipt }) => receipt !== undefined)).toBe(false)
    const receipt = await receiptIn(node, events.at(-1)?.receipt)
    expect(receipt).toMatchObject({
      outputs: choices.map(({ text }) => outputHash(ticket.salt, text)),
      outputTokens: usage.completion_tokens,
      inputTokens: usage.prompt_tokens,
      continuedCharacters: 0,
      outcome: 'complete',
    })
  })

  it('draw independently: the first as a call of its own with that seed, and its end ends no other', async () => {
    const three = await chat(A_STORY, { ...sampled, n: 3, seed: 7, stop: [' the'] })
    const alone = await chat(A_STORY, { ...sampled, seed: 7, stop: [' the'] })
    expect(three.first.text).toBe(alone.first.text)
    expect(three.usage.prompt_tokens).toBe(alone.usage.prompt_tokens)
    expect(await chat(A_STORY, { ...sampled, n: 3, seed: 7, stop: [' the'] }).then(({ choices }) => choices)).toEqual(
      three.choices,
    )
    expect(three.choices.every(({ text }) => !text.includes(' the'))).toBe(true)
  })

  it('share what the ticket orders', async () => {
    const body = chatBody(A_STORY, { n: 3, max_tokens: 50 })
    const ticket = aTicket(node, CHAT_PATH, body, { outputTokensMax: 11 })
    const { choices, usage } = await replyOf(await send(node, CHAT_PATH, body, ticket))
    expect(choices.map(({ finishReason }) => finishReason)).toEqual(['length', 'length', 'length'])
    expect(usage.completion_tokens).toBe(9)
    const fields = { messages: user('hi'), n: 3 }
    expect(await refusalOf(node, CHAT_PATH, fields, { outputTokensMax: 2 })).toEqual([401, 'bad_ticket'])
  })

  it('are cut to one token each by topK 1, which is the likeliest answer whatever the temperature', async () => {
    const greedy = await chat('What is the capital of France?')
    const cut = await chat('What is the capital of France?', { temperature: 2, top_k: 1, n: 2 })
    expect(cut.choices.map(({ text }) => text)).toEqual([greedy.first.text, greedy.first.text])
  })
})

describe('log probabilities', () => {
  it('are told with the text they belong to, and put together are that text', async () => {
    const { events, first } = await chat(A_STORY, { logprobs: true, top_logprobs: 20 })
    let told = 0
    let shown = 0
    for (const { choices } of events) {
      shown += Buffer.byteLength(choices[0]?.delta.content ?? '')
      for (const { bytes } of choices[0]?.logprobs ?? []) told += bytes?.length ?? 0
      expect(told).toBeLessThanOrEqual(shown)
    }
    expect(Buffer.from(first.logprobs.flatMap(({ bytes }) => bytes ?? [])).toString()).toBe(first.text)
    for (const { token, logprob, top_logprobs: top } of first.logprobs) {
      expect(top).toHaveLength(20)
      // Greedy: what was drawn is the likeliest.
      expect(top[0]).toMatchObject({ token, logprob })
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).sort((a, b) => b - a))
      const sum = top.reduce((total, one) => total + Math.exp(one.logprob), 0)
      expect(sum).toBeLessThan(1.000001)
      expect(sum).toBeGreaterThan(0.2)
    }
  })

  it('leak no stop sequence', async () => {
    const whole = await chat(A_STORY, { logprobs: true })
    const stop = whole.first.text.slice(20, 27)
    const { first } = await chat(A_STORY, { logprobs: true, top_logprobs: 0, stop })
    expect(first.text).toBe(whole.first.text.slice(0, whole.first.text.indexOf(stop)))
    expect(first.logprobs.map(({ token }) => token).join('')).toBe(first.text)
  })

  it('are of the model itself, whatever is sampled, and not there unless asked for', async () => {
    const { first } = await chat(A_STORY, { ...sampled, max_tokens: 1, seed: 3, logprobs: true, top_logprobs: 1 })
    const greedy = await chat(A_STORY, { max_tokens: 1, logprobs: true, top_logprobs: 1 })
    expect(first.logprobs[0]?.top_logprobs).toEqual(greedy.first.logprobs[0]?.top_logprobs)
    const without = await chat(A_STORY, { max_tokens: 3 })
    expect(without.events.every(({ choices }) => choices.every((choice) => !('logprobs' in choice)))).toBe(true)
  })
})

describe('an event', () => {
  it('holds no more log probabilities than the gateway reads, however many waited for a slow reader', () => {
    const told = { token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }
    for (const waiting of [0, 1, NODE_LIMITS.eventTokens, NODE_LIMITS.eventTokens + 1, 3 * NODE_LIMITS.eventTokens]) {
      const logprobs = Array.from({ length: waiting }, (_, at) => ({ ...told, logprob: -at }))
      const events = eventsOf(1, { choice: 2, text: 'text', outputTokens: waiting, logprobs, finishReason: 'stop' })
      expect(events).toHaveLength(Math.max(1, Math.ceil(waiting / NODE_LIMITS.eventTokens)))
      expect(events.flatMap(({ choices }) => choices[0]?.logprobs ?? [])).toEqual(logprobs)
      // The text and the end stand in the last one: nothing comes behind an end.
      expect(events.map(({ choices }) => choices[0]?.finish_reason).filter((end) => end !== null)).toEqual(['stop'])
      expect(events.at(-1)?.choices[0]).toMatchObject({ index: 2, delta: { content: 'text' }, finish_reason: 'stop' })
    }
  })
})

describe('JSON mode', () => {
  it('gives an object, or says length, in hundreds of samples', async () => {
    const ends = { stop: 0, length: 0 }
    for (const content of ['Who are you?', 'What is the capital of France?', 'Give me the numbers from 1 to 5.'])
      for (const temperature of [1, 1.5]) {
        const fields = { response_format: { type: 'json_object' }, temperature, max_tokens: 50, n: 8 }
        const replies = await Promise.all([1, 2, 3, 4, 5].map((seed) => chat(content, { ...fields, seed })))
        for (const { text, finishReason } of replies.flatMap(({ choices }) => choices)) {
          ends[finishReason === 'stop' ? 'stop' : 'length'] += 1
          if (finishReason === 'stop') expect(Object.prototype.toString.call(JSON.parse(text))).toBe('[object Object]')
          else expect([finishReason, text[0]]).toEqual(['length', '{'])
        }
      }
    expect(ends.stop + ends.length).toBe(240)
    expect(ends.stop).toBeGreaterThan(10)
  }, 120_000)

  it('goes on from the beginning of an object, and from nothing else', async () => {
    const fields = (content: string) => ({
      messages: [...user('hi'), { role: 'assistant', content }],
      continue_final_message: true,
      response_format: { type: 'json_object' },
      max_tokens: 60,
    })
    const { first } = await ask(node, CHAT_PATH, fields('{"answer":'))
    if (first.finishReason === 'stop') expect(JSON.parse(`{"answer":${first.text}`)).toHaveProperty('answer')
    else expect(first.finishReason).toBe('length')
    expect(await refusalOf(node, CHAT_PATH, fields('Sure: {'))).toEqual([400, 'bad_request'])
  })
})

describe('completions', () => {
  const PROMPTS = ['Once upon a time', 'The capital of France is', 'One, two, three,']

  it('go on with a text, and count its ordinary tokens', async () => {
    const { first, usage } = await complete(node, 'Once upon a time')
    expect(first.text).not.toBe('')
    expect(usage.prompt_tokens).toBe(loadTokenizer(shippedFolder('tiny-chat')).encode('Once upon a time').length)
    expect(usage.completion_tokens).toBeLessThanOrEqual(12)
  })

  it('of several prompts are numbered prompt by prompt, each as it would be alone, under one receipt', async () => {
    const fields = { ...sampled, n: 2, seed: 5, logprobs: 1 }
    const body = JSON.stringify({ model: 'souk/tiny-chat', prompt: PROMPTS, ...fields })
    const ticket = aTicket(node, COMPLETIONS_PATH, body)
    const { choices, events, usage } = await replyOf(await send(node, COMPLETIONS_PATH, body, ticket))
    expect(choices).toHaveLength(6)
    let promptTokens = 0
    for (const [index, prompt] of PROMPTS.entries()) {
      const alone = await complete(node, prompt, fields)
      promptTokens += alone.usage.prompt_tokens
      const texts = choices.slice(index * 2, index * 2 + 2).map(({ text }) => text)
      expect(texts).toEqual(alone.choices.map(({ text }) => text))
    }
    expect(usage.prompt_tokens).toBe(promptTokens)
    const receipt = await receiptIn(node, events.at(-1)?.receipt)
    expect(receipt.outputs).toEqual(choices.map(({ text }) => outputHash(ticket.salt, text)))
    expect([receipt.inputTokens, receipt.outputTokens]).toEqual([usage.prompt_tokens, usage.completion_tokens])
  })

  it('of equal prompts are not equal samples, unless a seed says so', async () => {
    const two = await complete(node, ['Once', 'Once'], { ...sampled, temperature: 2 })
    expect(two.choices[0]?.text).not.toBe(two.choices[1]?.text)
    const seeded = await complete(node, ['Once', 'Once'], { ...sampled, temperature: 2, seed: 1 })
    expect(seeded.choices[0]?.text).toBe(seeded.choices[1]?.text)
  })

  it('are taken all or none: a list that the queue does not hold is refused, and leaves nothing behind', async () => {
    const small = await aNode({ models: [{ ...aModel(), concurrencyMax: 1, queueMax: 2 }] })
    const fields = { prompt: ['a', 'b', 'c', 'd'], max_tokens: 4 }
    expect(await refusalOf(small, COMPLETIONS_PATH, fields)).toEqual([429, 'busy'])
    await eventually(async () => (await metric(small, 'souk_node_in_flight')) === 0)
    expect((await complete(small, ['a', 'b', 'c'], { max_tokens: 4 })).choices).toHaveLength(3)
    expect(small.receipts()).toHaveLength(1)
    await small.dispose()
  })

  it('are refused whole when one prompt does not fit', async () => {
    const fields = { prompt: ['short', 'word '.repeat(600)], max_tokens: 4 }
    expect(await refusalOf(node, COMPLETIONS_PATH, fields)).toEqual([400, 'context_length_exceeded'])
  })

  it('are all cancelled when the caller leaves, with one receipt over what there was', async () => {
    const body = JSON.stringify({ model: 'souk/tiny-chat', prompt: PROMPTS, max_tokens: 256, temperature: 2, n: 4 })
    const ticket = aTicket(node, COMPLETIONS_PATH, body, { outputTokensMax: 10_000 })
    const caller = new AbortController()
    const response = await send(node, COMPLETIONS_PATH, body, ticket, { signal: caller.signal })
    await response.body?.getReader().read()
    caller.abort()
    await eventually(async () => (await metric(node, 'souk_node_in_flight')) === 0)
    const receipts = await Promise.all(node.receipts().map((jws) => receiptIn(node, jws)))
    const receipt = receipts.find(({ jti }) => jti === ticket.jti)
    expect([receipt?.outcome, receipt?.outputs.length]).toEqual(['cancelled', 12])
  })
})

describe('an answer that is continued', () => {
  const tokenizer = loadTokenizer(shippedFolder('tiny-chat'))
  const continued = (messages: object[], prefix: string, fields: object = {}) =>
    ask(node, CHAT_PATH, {
      messages: [...messages, { role: 'assistant', content: prefix }],
      continue_final_message: true,
      ...fields,
    })

  it('is the uninterrupted one, cut wherever the prefix is read as the tokens it was said in', async () => {
    const items = evalItems().filter(({ category }) => PERFECT.includes(category))
    const some = items.filter((_, index) => index % Math.floor(items.length / 24) === 0)
    expect(some.length).toBeGreaterThanOrEqual(24)
    let cuts = 0
    for (const { messages } of some) {
      const whole = await ask(node, CHAT_PATH, { messages, logprobs: true, max_tokens: 40 })
      const { text, logprobs, finishReason } = whole.first
      await Promise.all(
        logprobs.slice(0, 40).map(async (_, at) => {
          const said = logprobs.slice(0, at)
          const prefix = said.map(({ token }) => token).join('')
          const read = tokenizer.encode(prefix).map((token) => Buffer.from(tokenizer.bytes(token)).toString())
          if (prefix.includes('\uFFFD') || read.join('|') !== said.map(({ token }) => token).join('|')) return
          cuts += 1
          const { first, events } = await continued(messages, prefix, { max_tokens: 40 - at })
          expect([prefix + first.text, first.finishReason]).toEqual([text, finishReason])
          const receipt = await receiptIn(node, events.at(-1)?.receipt)
          expect(receipt.continuedCharacters).toBe(prefix.length)
        }),
      )
    }
    expect(cuts).toBeGreaterThan(100)
  }, 120_000)

  it('ends wherever it is cut: between any two characters it is still an answer', async () => {
    const { first } = await chat('What is the capital of France?')
    const prefixes = [...first.text].map((_, at) => first.text.slice(0, at))
    const replies = await Promise.all(
      prefixes.map((prefix) => continued(user('What is the capital of France?'), prefix)),
    )
    for (const reply of replies) expect([reply.isDone, reply.first.finishReason]).toEqual([true, 'stop'])
  })

  it('ends at a stop sequence that began before the cut, and gives out only what is new', async () => {
    const { first } = await chat(A_STORY)
    const stop = first.text.slice(12, 18)
    expect(first.text.indexOf(stop)).toBe(12)
    // The cut is inside the stop sequence, at a token's end.
    const reply = await continued(user(A_STORY), first.text.slice(0, 16), { stop, max_tokens: 12 })
    expect([reply.first.text, reply.first.finishReason]).toEqual(['', 'stop'])
  })

  it('goes on with a text as with a dialogue', async () => {
    const whole = await complete(node, 'Once upon a time', { logprobs: 0 })
    const prefix = whole.first.logprobs
      .slice(0, 2)
      .map(({ token }) => token)
      .join('')
    const rest = await complete(node, 'Once upon a time', { continue_text: prefix, max_tokens: 10 })
    expect(prefix + rest.first.text).toBe(whole.first.text)
    expect((await complete(node, 'Once upon a time', { continue_text: '' })).first.text).toBe(whole.first.text)
  })

  it.each([
    ['with no word of the assistant', CHAT_PATH, { messages: user('hi'), continue_final_message: true }],
    [
      'of several choices',
      CHAT_PATH,
      { messages: [...user('hi'), { role: 'assistant', content: 'He' }], continue_final_message: true, n: 2 },
    ],
    ['of a chat, as a text', CHAT_PATH, { messages: user('hi'), continue_text: 'He' }],
    ['of several texts', COMPLETIONS_PATH, { prompt: ['a', 'b'], continue_text: 'He', max_tokens: 4 }],
    ['of a text, as a chat', COMPLETIONS_PATH, { prompt: 'a', continue_final_message: true, max_tokens: 4 }],
  ])('is refused %s', async (_, path, fields) => {
    expect(await refusalOf(node, path, fields)).toEqual([400, 'bad_request'])
  })
})

const aModel = () => ({
  folder: 'tiny-chat',
  engine: 'onnx' as const,
  prices: { inputPerMillion: '1', outputPerMillion: '1', perCall: '0' },
  threads: 1,
})
