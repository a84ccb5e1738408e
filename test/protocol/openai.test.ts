// What callers may send. The bodies of the official client are taken from the client itself, not from our memory of it.
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { ChatRequest, EmbeddingRequest, REQUEST_LIMITS } from '../../protocol/openai.ts'

const chat = (over: object = {}) => ({ model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'hi' }], ...over })
const accepts = (body: unknown) => ChatRequest.safeParse(body).success
const firstField = (body: unknown) => {
  const issue = ChatRequest.safeParse(body).error?.issues[0]
  return issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.')
}

/** What the official client puts on the wire for a call. */
async function sentBy(call: (client: OpenAI) => Promise<unknown>): Promise<unknown> {
  let sent: unknown
  const fetch = (_url: unknown, init?: RequestInit) => {
    sent = JSON.parse(String(init?.body))
    return Promise.resolve(Response.json({ data: [], choices: [] }))
  }
  await call(new OpenAI({ apiKey: 'sk-souk-test', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 }))
  return sent
}

describe('the official client', () => {
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: 'What is the capital of ' },
        { type: 'text' as const, text: 'France?' },
      ],
    },
    { role: 'assistant' as const, content: 'Paris' },
    { role: 'user' as const, content: 'Sure?' },
  ]
  it('is understood when it chats', async () => {
    const body = await sentBy((client) =>
      client.chat.completions.create({
        model: 'm/m',
        messages,
        temperature: 0,
        top_p: 1,
        seed: 7,
        stop: ['\n'],
        max_tokens: 10,
        n: 1,
        presence_penalty: 0,
        frequency_penalty: 0,
        logprobs: false,
        response_format: { type: 'text' },
        user: 'u',
        metadata: { team: 'a' },
        store: false,
        service_tier: 'auto',
      }),
    )
    expect(ChatRequest.parse(body).messages[1]?.content).toBe('What is the capital of France?')
  })
  it('is understood when it streams', async () => {
    const body = await sentBy((client) =>
      client.chat.completions.create({ model: 'm/m', messages, stream: true, stream_options: { include_usage: true } }),
    )
    expect(ChatRequest.parse(body)).toMatchObject({ stream: true, stream_options: { include_usage: true } })
  })
  it('is understood when it asks for embeddings, which it wants as base64 without being told', async () => {
    const body = await sentBy((client) => client.embeddings.create({ model: 'm/m', input: ['a', 'b'] }))
    expect(EmbeddingRequest.parse(body)).toEqual({ model: 'm/m', input: ['a', 'b'], encoding_format: 'base64' })
  })
})

describe('a chat request', () => {
  it('may leave every option null, as some clients do', () => {
    const nulls = {
      stream: null,
      stream_options: null,
      max_tokens: null,
      temperature: null,
      top_p: null,
      stop: null,
      seed: null,
      n: null,
    }
    expect(accepts(chat(nulls))).toBe(true)
  })
  it.each([
    ['model', { model: 5 }, 'model'],
    ['a missing model', { model: undefined }, 'model'],
    ['no messages', { messages: [] }, 'messages'],
    ['a tool message', { messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role'],
    ['a temperature above 2', { temperature: 2.1 }, 'temperature'],
    ['a temperature in words', { temperature: 'hot' }, 'temperature'],
    ['a stream that is no boolean', { stream: 'yes' }, 'stream'],
    ['zero tokens', { max_tokens: 0 }, 'max_tokens'],
    ['half a token', { max_tokens: 1.5 }, 'max_tokens'],
    ['no choice', { n: 0 }, 'n'],
    ['tools', { tools: [] }, 'tools'],
    ['a JSON schema', { response_format: { type: 'json_schema' } }, 'response_format.type'],
    ['an unknown field', { temprature: 1 }, 'temprature'],
    ['a stop of nothing', { stop: '' }, 'stop'],
  ])('is refused for %s by the name of the field', (_, over, field) => {
    expect(firstField(chat(over))).toBe(field)
  })
  it.each([
    ['messages', (n: number) => ({ messages: Array(n).fill({ role: 'user', content: 'x' }) }), REQUEST_LIMITS.messages],
    [
      'characters',
      (n: number) => ({ messages: [{ role: 'user', content: 'x'.repeat(n) }] }),
      REQUEST_LIMITS.textCharacters,
    ],
    ['stop sequences', (n: number) => ({ stop: Array(n).fill('x') }), REQUEST_LIMITS.stopSequences],
    ['characters of a stop', (n: number) => ({ stop: 'x'.repeat(n) }), REQUEST_LIMITS.stopCharacters],
    ['output tokens', (n: number) => ({ max_tokens: n }), REQUEST_LIMITS.outputTokens],
    ['choices', (n: number) => ({ n }), REQUEST_LIMITS.choices],
    ['alternatives beside a token', (n: number) => ({ logprobs: true, top_logprobs: n }), REQUEST_LIMITS.topLogprobs],
    ['output tokens by the new name', (n: number) => ({ max_completion_tokens: n }), REQUEST_LIMITS.outputTokens],
  ])('accepts %s at the limit and refuses one over', (_, body, limit) => {
    expect(accepts(chat(body(limit)))).toBe(true)
    expect(accepts(chat(body(limit + 1)))).toBe(false)
  })
  it('refuses a picture instead of dropping it', () => {
    const content = [{ type: 'image_url', image_url: { url: 'data:,' } }]
    expect(accepts(chat({ messages: [{ role: 'user', content }] }))).toBe(false)
  })
  it('keeps its other fields and drops none silently', () => {
    const body = chat({ temperature: 0.5, seed: 1, stop: ['a'], max_tokens: 5, stream: true })
    expect(ChatRequest.parse(body)).toEqual(body)
  })
})

describe('an embedding request', () => {
  const accepted = (input: unknown, over: object = {}) =>
    EmbeddingRequest.safeParse({ model: 'm/m', input, ...over }).success
  it.each([
    ['a text', 'a', true],
    ['an empty text', '', false],
    ['an empty list', [], false],
    ['an empty text in a list', ['a', ''], false],
    ['256 texts', Array(256).fill('a'), true],
    ['257 texts', Array(257).fill('a'), false],
    ['tokens, which mean nothing without our tokenizer', [1, 2, 3], false],
  ])('of %s: accepted is %s', (_, input, ok) => {
    expect(accepted(input)).toBe(ok)
  })
  it('may ask for shorter vectors, of one dimension at least', () => {
    expect([8, 1, 0].map((dimensions) => accepted('a', { dimensions }))).toEqual([true, true, false])
  })
})
