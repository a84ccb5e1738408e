// A call with an Idempotency-Key: one charge, one answer, however often and however it is asked for.
import { runInDurableObject, env } from 'cloudflare:test'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { IDEMPOTENCY } from '../../../../gateway/core/limits.ts'
import { ChatChunk, ChatCompletion, EmbeddingReply } from '../../../../protocol/openai.ts'
import { SseDecoder } from '../../../../protocol/sse.ts'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { fromUsd } from '../../../../protocol/units.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, chat, finish, honest, sse, token, type CallInit, type ScriptedNode } from '../call-house.ts'

type House = Awaited<ReturnType<typeof aHouse>>

const log: string[] = []
beforeEach(() => {
  log.length = 0
  vi.spyOn(console, 'error').mockImplementation((line: string) => void log.push(line))
})
afterEach(() => {
  vi.restoreAllMocks()
})

const PATH = '/v1/chat/completions'
const START = fromUsd('1')
const once = (key = 'order-1', init: CallInit = {}): CallInit => ({
  ...init,
  headers: { 'Idempotency-Key': key, ...init.headers },
})

/** The whole exchange, settled. */
async function ask(house: House, body: unknown = chat(), init: CallInit = once(), path = PATH) {
  const { response, settled } = await house.call(path, body, init)
  const text = await response.text()
  await settled()
  return { status: response.status, headers: response.headers, text }
}

const errorOf = (text: string) =>
  (JSON.parse(text) as { error: { code: string; param: string; message: string } }).error // an error body, checked by its status
const spent = async (house: House) => START - (await house.account.balance()).availableNanos
const events = (text: string) => new SseDecoder().push(new TextEncoder().encode(text)).map(({ data }) => data)
const chunksOf = (text: string) => {
  const all = events(text)
  expect(all.pop()).toBe('[DONE]')
  return all.map((data) => ChatChunk.parse(JSON.parse(data)))
}
const textOf = (chunks: ChatChunk[]) => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')

const embedder = aModel({ task: 'embeddings' })
const vectors: ScriptedNode = () =>
  Response.json({
    data: [
      { index: 0, embedding: [0.1, -2.5e-7] },
      { index: 1, embedding: [1 / 3, 4] },
    ],
    usage: { prompt_tokens: 2, completion_tokens: 0 },
  })
const embed = (over: object = {}) => ({ model: 'test/echo', input: ['a', 'b'], ...over })

describe('the header', () => {
  it.each([
    ['of one character', 200, 'x'],
    ['of 255 characters', 200, 'x'.repeat(IDEMPOTENCY.keyChars)],
    ['with all that can be printed', 200, ' !"#$%&\'()*+,-./:;<=>?@[]^_`{|}~ a'],
    ['of 256 characters', 400, 'x'.repeat(IDEMPOTENCY.keyChars + 1)],
    ['of nothing', 400, ''],
    ['of spaces', 400, '   '],
    ['with a tab', 400, 'a\tb'],
    ['with a letter beyond ASCII', 400, 'caf\u00e9'],
  ])('%s is %s', async (_, status, key) => {
    const house = await aHouse({ nodes: [honest] })
    const answer = await ask(house, chat(), once(key))
    expect(answer.status).toBe(status)
    if (status === 400)
      expect(errorOf(answer.text)).toMatchObject({ code: 'invalid_request', param: 'Idempotency-Key' })
    expect(house.sent).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('a repeated call', () => {
  it('gets the first answer again, as JSON: same call, same words, same bill', async () => {
    const house = await aHouse({ nodes: [honest] })
    const first = await ask(house)
    const cost = await spent(house)
    expect(first.headers.get('x-souk-replayed')).toBeNull()
    for (let n = 0; n < 3; n++) {
      const again = await ask(house)
      expect([again.status, again.text]).toEqual([200, first.text])
      expect(ChatCompletion.parse(JSON.parse(again.text)).id).toBe(first.headers.get('x-souk-call-id'))
      for (const name of ['x-souk-call-id', 'x-souk-node', 'x-souk-cost'])
        expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)])
      expect(again.headers.get('x-souk-replayed')).toBe('true')
      expect(again.headers.get('x-souk-hold')).toBe('0.000000000')
      expect(again.headers.get('content-type')).toContain('application/json')
    }
    expect([house.sent.length, await spent(house), cost > 0n]).toEqual([1, cost, true])
  })

  it.each([[undefined], [{ include_usage: true }]])(
    'gets it as a stream with the text in one piece (%j)',
    async (stream_options) => {
      const house = await aHouse({ nodes: [honest] })
      const body = chat({ stream: true, stream_options })
      const first = await ask(house, body)
      const again = await ask(house, body)
      const [said, repeated] = [chunksOf(first.text), chunksOf(again.text)]
      expect(textOf(repeated)).toBe(textOf(said))
      expect(textOf(repeated)).toBe('one two')
      expect(repeated[0]?.choices).toEqual([
        { index: 0, delta: { role: 'assistant', content: 'one two' }, finish_reason: null },
      ])
      // From the finish chunk on, word for word.
      const tail = said.slice(said.findIndex(({ choices }) => choices[0]?.finish_reason !== null))
      expect(repeated.slice(1)).toEqual(tail)
      expect(tail.at(-1)?.usage?.cost).toBeDefined()
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
      expect(again.headers.get('x-souk-replayed')).toBe('true')
      expect(house.sent).toHaveLength(1)
    },
  )

  it.each([['float'], ['base64']])('gets its embeddings again, as %s', async (encoding_format) => {
    const house = await aHouse({ nodes: [vectors], model: embedder })
    const first = await ask(house, embed({ encoding_format }), once(), '/v1/embeddings')
    const again = await ask(house, embed({ encoding_format }), once(), '/v1/embeddings')
    expect(EmbeddingReply.parse(JSON.parse(first.text)).data).toHaveLength(2)
    expect([again.status, again.text, again.headers.get('x-souk-replayed')]).toEqual([200, first.text, 'true'])
    expect(house.sent).toHaveLength(1)
  })

  it('is the same however its JSON was written, and another one with another word, route, key or API key', async () => {
    const house = await aHouse({ nodes: [honest, honest] })
    await ask(house, chat({ temperature: 1, seed: 2 }))
    const shuffled =
      '{ "seed": 2.0, "temperature": 1, "messages": [{"content": "h\\u0069", "role": "user"}], "model": "test/echo" }'
    expect((await ask(house, shuffled)).headers.get('x-souk-replayed')).toBe('true')
    const other = await ask(house, chat({ temperature: 1, seed: 3 }))
    expect([other.status, errorOf(other.text).code]).toEqual([422, 'idempotency_mismatch'])
    expect((await ask(house, chat({ temperature: 1, seed: 3 }), once('order-2'))).status).toBe(200)
    expect(house.sent).toHaveLength(2)
  })

  it('may say what no canonical form can: half a surrogate pair', async () => {
    const house = await aHouse({ nodes: [honest] })
    const body = '{"model":"test/echo","messages":[{"role":"user","content":"\\ud800"}]}'
    expect((await ask(house, body)).status).toBe(200)
    expect((await ask(house, body)).headers.get('x-souk-replayed')).toBe('true')
  })

  it('needs no money that can be spent', async () => {
    const house = await aHouse({ nodes: [honest] })
    const first = await ask(house)
    expect(first.status).toBe(200)
    const rest = (await house.account.balance()).availableNanos
    await house.account.freeze({ cause: 'admin', reason: 'test', by: null })
    expect((await ask(house)).text).toBe(first.text)
    expect((await house.account.balance()).availableNanos).toBe(rest)
  })

  it('hears 409 and the call’s id while the first is under way, and is not told to retry', async () => {
    let letGo: () => void = () => undefined
    const waiting = new Promise<void>((resolve) => (letGo = resolve))
    const house = await aHouse({ nodes: [async (request) => (await waiting, honest(request))] })
    const first = house.begin(PATH, chat(), once())
    await vi.waitFor(() => expect(house.sent).toHaveLength(1))
    const others = await Promise.all(Array.from({ length: 19 }, () => ask(house)))
    letGo()
    const answered = await first.response
    expect(answered.status).toBe(200)
    const callId = answered.headers.get('x-souk-call-id')
    for (const { status, headers, text } of others) {
      expect([status, errorOf(text).code]).toEqual([409, 'idempotency_in_progress'])
      expect([headers.get('x-should-retry'), headers.get('x-souk-call-id')]).toEqual(['false', callId])
    }
    await first.settled()
    expect(house.sent).toHaveLength(1)
  })

  it('is one of twenty that come at once: one call, one charge', async () => {
    const house = await aHouse({ nodes: [honest] })
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(house)))
    const fresh = answers.filter(({ headers, status }) => status === 200 && !headers.get('x-souk-replayed'))
    expect(fresh).toHaveLength(1)
    for (const { status, text } of answers) if (status !== 200) expect(status, text).toBe(409)
    expect(house.sent).toHaveLength(1)
    const [only] = fresh
    expect(await spent(house)).toBe(fromUsd(ChatCompletion.parse(JSON.parse(only?.text ?? '')).usage.cost))
  })

  it('is a new try after a call that failed and cost nothing', async () => {
    let tries = 0
    const house = await aHouse({
      nodes: [(request) => (++tries < 3 ? new Response('no', { status: 500 }) : honest(request))],
    })
    for (const stream of [false, true]) {
      const failed = await ask(house, chat({ stream }))
      expect([failed.status, errorOf(failed.text).code]).toEqual([502, 'provider_failed'])
    }
    // Another body too: nothing came of the first.
    expect((await ask(house, chat({ seed: 1 }))).status).toBe(200)
    expect((await ask(house, chat({ seed: 1 }))).headers.get('x-souk-replayed')).toBe('true')
  })

  it('never pays again for a stream whose caller hung up: 409 with the call’s id', async () => {
    const house = await aHouse({ nodes: [() => sse([token('one ', 1), token('two', 2)], 'hang')] })
    const leaving = new AbortController()
    const { response, settled } = await house.call(
      PATH,
      chat({ stream: true }),
      once('order-1', { signal: leaving.signal }),
    )
    const reader = response.body!.getReader()
    await reader.read()
    await reader.read()
    leaving.abort()
    await reader.cancel().catch(() => undefined)
    await settled()
    const paid = await spent(house)
    expect(paid).toBeGreaterThan(0n)
    const callId = response.headers.get('x-souk-call-id')
    for (let n = 0; n < 2; n++) {
      const again = await ask(house, chat({ stream: true }))
      expect([again.status, errorOf(again.text).code]).toEqual([409, 'idempotency_completed'])
      expect(errorOf(again.text).message).toContain(`GET /v1/generation?id=${callId}`)
      expect([again.headers.get('x-souk-call-id'), again.headers.get('x-should-retry')]).toEqual([callId, 'false'])
    }
    expect([house.sent.length, await spent(house)]).toEqual([1, paid])
    expect((await house.get(`/v1/generation?id=${callId}`)).status).toBe(200)
  })

  it('gets 401 with a revoked key', async () => {
    const house = await aHouse({ nodes: [honest] })
    await ask(house)
    await house.account.revokeKey(house.keyId)
    expect((await ask(house)).status).toBe(401)
  })

  it('cannot be opened with the key’s next secret, but still is not paid twice', async () => {
    const house = await aHouse({ nodes: [honest] })
    const first = await ask(house)
    await house.account.rerollKey({
      keyId: house.keyId,
      secretHash: sha256Hex('next'),
      hint: 'sk-souk-…',
      graceMs: 60_000,
    })
    const withNext = await ask(house, chat(), once('order-1', { headers: { authorization: 'Bearer next' } }))
    expect([withNext.status, errorOf(withNext.text).code]).toEqual([409, 'idempotency_completed'])
    expect(withNext.headers.get('x-souk-call-id')).toBe(first.headers.get('x-souk-call-id'))
    // During the grace the old secret opens what it sealed.
    expect((await ask(house)).text).toBe(first.text)
    expect(house.sent).toHaveLength(1)
  })

  it('needs a model and nodes no more than money: what is gone is answered from what was kept', async () => {
    const house = await aHouse({ nodes: [honest] })
    const first = await ask(house)
    house.closeMarket()
    expect((await ask(house, chat(), {})).status).toBe(404)
    expect((await ask(house)).text).toBe(first.text)
    const other = await ask(house, chat({ seed: 1 }))
    expect([other.status, other.headers.get('x-souk-call-id')]).toEqual([422, first.headers.get('x-souk-call-id')])
    expect((await ask(house, chat(), once('order-2'))).status).toBe(404)
  })
})

describe('the kept answer', () => {
  /** A chat whose kept form has exactly these bytes, found by trying one length and correcting it. */
  const saying =
    (content: string): ScriptedNode =>
    () =>
      sse([token(content, 1), finish(1), '[DONE]'])
  const keptBytes = async (house: House) =>
    runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(house.accountId)), (_, { storage }) => {
      const [row] = storage.sql.exec<{ kept: ArrayBuffer | null }>('SELECT kept FROM idempotency').toArray()
      return row?.kept ? row.kept.byteLength - 29 : null
    })

  it.each([[false], [true]])('is at most 64 kB (stream: %s); of a longer one the repeat hears 409', async (stream) => {
    const sizing = await aHouse({ nodes: [saying('x')] })
    await ask(sizing, chat({ stream }))
    const frame = ((await keptBytes(sizing)) ?? 0) - 1
    for (const [over, isKept] of [
      [0, true],
      [1, false],
    ] as const) {
      // The cost has one more digit of room than a longer text needs: amounts are of fixed width up to 9 dollars.
      const house = await aHouse({ nodes: [saying('x'.repeat(IDEMPOTENCY.keptBytes - frame + over))] })
      const first = await ask(house, chat({ stream }))
      expect(first.status).toBe(200)
      expect(await keptBytes(house)).toBe(isKept ? IDEMPOTENCY.keptBytes : null)
      const again = await ask(house, chat({ stream }))
      expect(again.status).toBe(isKept ? 200 : 409)
      if (!isKept) expect(errorOf(again.text)).toMatchObject({ code: 'idempotency_completed' })
      expect(house.sent).toHaveLength(1)
    }
  })

  it('cannot be read in the guard’s storage, nor can the key or the prompt be found there or in the log', async () => {
    const house = await aHouse({ nodes: [saying('CANARY-answer')] })
    await ask(house, chat({ messages: [{ role: 'user', content: 'CANARY-prompt' }] }), once('CANARY-key'))
    const dump = await runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(house.accountId)), (_, { storage }) =>
      storage.sql
        .exec<{ name: string }>(
          `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
        )
        .toArray()
        .flatMap(({ name }) => storage.sql.exec(`SELECT * FROM ${name}`).toArray())
        .flatMap((row) => Object.values(row))
        .map((cell) => (cell instanceof ArrayBuffer ? new TextDecoder('latin1').decode(cell) : String(cell)))
        .join('\n'),
    )
    expect(dump.length).toBeGreaterThan(1_000)
    for (const canary of ['CANARY', btoa('CANARY').slice(0, 6)]) expect(dump + log.join('')).not.toContain(canary)
  })

  it('is refused when one byte of it was changed', async () => {
    const house = await aHouse({ nodes: [honest] })
    await ask(house)
    await runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(house.accountId)), (_, { storage }) => {
      const { kept } = storage.sql.exec<{ kept: ArrayBuffer }>('SELECT kept FROM idempotency').one()
      const bytes = new Uint8Array(kept)
      bytes[40] = (bytes[40] ?? 0) ^ 1
      storage.sql.exec('UPDATE idempotency SET kept = ?', bytes.buffer)
    })
    const again = await ask(house)
    expect([again.status, errorOf(again.text).code]).toEqual([409, 'idempotency_completed'])
    expect(house.sent).toHaveLength(1)
  })
})

describe('the official client', () => {
  /** Its fetch: the first `lost` answers get lost on their way back, after they were settled. */
  const client = (house: House, lost: number) =>
    new OpenAI({
      apiKey: 'x',
      baseURL: 'https://gateway.test/v1',
      maxRetries: 3,
      fetch: async (url, init) => {
        const headers = Object.fromEntries(new Headers(init?.headers))
        const { response, settled } = await house.call(new URL(String(url)).pathname, String(init?.body), { headers })
        if (lost-- <= 0) return response
        await response.text()
        await settled()
        throw new TypeError('connection reset')
      },
    })
  const options = { headers: { 'Idempotency-Key': 'order-1' } }
  const question = { model: 'test/echo', messages: [{ role: 'user' as const, content: 'hi' }] }

  it('gets its answer over a connection that loses two, and pays once', async () => {
    const house = await aHouse({ nodes: [honest] })
    const answer = await client(house, 2).chat.completions.create(question, options)
    expect(answer.choices[0]?.message.content).toBe('one two')
    const cost = await spent(house)
    const stream = await client(house, 1).chat.completions.create(
      { ...question, stream: true },
      { headers: { 'Idempotency-Key': 'order-2' } },
    )
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    expect(text).toBe('one two')
    expect([house.sent.length, await spent(house)]).toEqual([2, cost * 2n])
  })

  it('does not hammer a 409', async () => {
    const house = await aHouse({ nodes: [honest] })
    await client(house, 0).chat.completions.create(question, options)
    await house.account.rerollKey({
      keyId: house.keyId,
      secretHash: sha256Hex('next'),
      hint: 'h',
      graceMs: 0,
    })
    let asked = 0
    const next = new OpenAI({
      apiKey: 'next',
      baseURL: 'https://gateway.test/v1',
      maxRetries: 3,
      fetch: async (url, init) => {
        asked++
        const headers = Object.fromEntries(new Headers(init?.headers))
        return (await house.call(new URL(String(url)).pathname, String(init?.body), { headers })).response
      },
    })
    await expect(next.chat.completions.create(question, options)).rejects.toMatchObject({
      status: 409,
      code: 'idempotency_completed',
    })
    expect(asked).toBe(1)
  })
})
