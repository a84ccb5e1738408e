// A whole node over HTTP, on the real models.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importPublicKey } from '../../protocol/keys.ts'
import { challengeClaims, NodeEmbeddingReply, NodeErrorBody, NodeUsageClaim } from '../../protocol/node.ts'
import { outputHash, requestHash, vectorBytes, verifyReceipt, type Receipt } from '../../protocol/receipt.ts'
import { verifyClaims, type Ticket } from '../../protocol/ticket.ts'
import { z } from 'zod'
import {
  A_STORY,
  aNode,
  aTicket,
  CHAT_PATH,
  chatBody,
  EMBEDDINGS_PATH,
  eventually,
  metric,
  readAnswer,
  send,
  type TestNode,
} from './builders.ts'

let node: TestNode
beforeAll(async () => {
  node = await aNode()
})
afterAll(() => node.dispose())

async function receiptOf(jws: string | undefined, of: TestNode = node): Promise<Receipt> {
  const verified = await verifyReceipt(jws ?? '', await importPublicKey(of.identity.nodeKey))
  if (!verified.ok) throw new Error(verified.code)
  return verified.value
}

async function refusal(response: Response): Promise<[number, string, string | undefined]> {
  const { error } = NodeErrorBody.parse(await response.json())
  return [response.status, error.code, error.message]
}

describe('a chat call', () => {
  it.each(['1', '2', '3'])(
    'serves a gateway that speaks version %s: the own one, the one before, the next',
    async (wire) => {
      const body = chatBody('hi')
      const jws = await node.gateway.sign(aTicket(node, CHAT_PATH, body))
      const headers = { authorization: `Souk ${jws}`, 'souk-wire': wire }
      const response = await fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', body, headers })
      expect([response.status, (await readAnswer(response)).isDone]).toEqual([200, true])
    },
  )

  it('streams text with cumulative counts in every event, a receipt in the last, and [DONE]', async () => {
    const body = chatBody('What is the capital of France?')
    const ticket = aTicket(node, CHAT_PATH, body)
    const response = await send(node, CHAT_PATH, body, ticket)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(response.headers.get('souk-wire')).toBe('2')
    const { text, events, isDone } = await readAnswer(response)
    expect(text).toContain('Paris')
    expect(isDone).toBe(true)
    const usages = events.map((event) => NodeUsageClaim.parse(event.usage))
    const counts = usages.map((usage) => usage.completion_tokens)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(events.slice(0, -1).every((event) => event.receipt === undefined)).toBe(true)
    expect(events.slice(0, -1).every((event) => event.choices[0]?.finish_reason === null)).toBe(true)
    expect(events.at(-1)?.choices[0]?.finish_reason).toBe('stop')

    const receipt = await receiptOf(events.at(-1)?.receipt)
    expect(receipt).toMatchObject({
      jti: ticket.jti,
      callId: ticket.callId,
      nodeKey: node.identity.nodeKey,
      modelDigest: node.chat.digest,
      request: requestHash(ticket.salt, JSON.parse(body)),
      outputs: [outputHash(ticket.salt, text)],
      inputTokens: usages.at(-1)?.prompt_tokens,
      outputTokens: counts.at(-1),
      outcome: 'complete',
    })
    expect(Date.parse(receipt.startedAt)).toBeLessThanOrEqual(Date.parse(receipt.firstOutputAt ?? ''))
    expect(Date.parse(receipt.firstOutputAt ?? '')).toBeLessThanOrEqual(Date.parse(receipt.endedAt))
  })

  it.each([
    ['max_tokens', chatBody(A_STORY, { max_tokens: 5 }), {}],
    ['max_completion_tokens', chatBody(A_STORY, { max_completion_tokens: 5 }), {}],
    ['the ticket', chatBody(A_STORY), { outputTokensMax: 5 }],
  ])('produces no more than %s allows', async (_, body, overrides) => {
    const { events } = await readAnswer(await send(node, CHAT_PATH, body, aTicket(node, CHAT_PATH, body, overrides)))
    expect(events.at(-1)?.choices[0]?.finish_reason).toBe('length')
    expect(NodeUsageClaim.parse(events.at(-1)?.usage).completion_tokens).toBe(5)
  })

  it('honours stop, as a string and as a list', async () => {
    for (const stop of [' there', ['xyz', ' there']])
      expect((await readAnswer(await send(node, CHAT_PATH, chatBody(A_STORY, { stop })))).text).toBe('Once upon a time')
  })

  it('is refused with a status before any event when the input is too long', async () => {
    const response = await send(node, CHAT_PATH, chatBody('word '.repeat(600)))
    expect((await refusal(response)).slice(0, 2)).toEqual([400, 'context_length_exceeded'])
  })

  it('stops when the caller hangs up, with a receipt over what was produced', async () => {
    const before = await metric(node, 'souk_node_calls_cancelled_total')
    const body = chatBody(A_STORY)
    const ticket = aTicket(node, CHAT_PATH, body)
    // Others take their turns, so that this one is not done before its caller can leave.
    const others = await Promise.all([1, 2, 3].map(() => send(node, CHAT_PATH, body)))
    const caller = new AbortController()
    const response = await send(node, CHAT_PATH, body, ticket, { signal: caller.signal })
    await response.body?.getReader().read()
    const left = Date.now()
    caller.abort()
    await eventually(async () => (await metric(node, 'souk_node_calls_cancelled_total')) === before + 1)
    expect(Date.now() - left).toBeLessThan(1_000)
    const receipts = await Promise.all(node.receipts().map((jws) => receiptOf(jws)))
    const receipt = receipts.find(({ jti }) => jti === ticket.jti)
    expect(receipt?.outcome).toBe('cancelled')
    const whole = await Promise.all(others.map(readAnswer))
    expect(whole.every(({ isDone }) => isDone)).toBe(true)
    const { completion_tokens: all } = NodeUsageClaim.parse(whole[0]?.events.at(-1)?.usage)
    expect(receipt?.outputTokens).toBeLessThan(all)
  })
})

describe('an embedding call', () => {
  it('answers one vector per input, with counts and a receipt over the vectors', async () => {
    const body = JSON.stringify({ model: 'souk/word-vectors', input: ['a cat', 'a dog'] })
    const ticket = aTicket(node, EMBEDDINGS_PATH, body)
    const reply = NodeEmbeddingReply.parse(await (await send(node, EMBEDDINGS_PATH, body, ticket)).json())
    expect(reply.data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
      [0, 100],
      [1, 100],
    ])
    expect(reply.usage).toEqual({ prompt_tokens: 4, completion_tokens: 0 })
    expect(await receiptOf(reply.receipt)).toMatchObject({
      request: requestHash(ticket.salt, JSON.parse(body)),
      outputs: reply.data.map(({ embedding }) => outputHash(ticket.salt, vectorBytes(embedding))),
      inputTokens: 4,
      outputTokens: 0,
      outcome: 'complete',
    })
  })

  it('takes as many inputs as the wire allows, its receipt included', async () => {
    const body = JSON.stringify({ model: 'souk/word-vectors', input: Array.from({ length: 256 }, () => 'cat') })
    const reply = NodeEmbeddingReply.parse(await (await send(node, EMBEDDINGS_PATH, body)).json())
    expect((await receiptOf(reply.receipt)).outputs).toHaveLength(256)
  })
})

describe('what is refused', () => {
  const body = chatBody('hi')
  const now = Math.floor(Date.now() / 1_000)
  it.each<[string, Partial<Ticket>, number, string]>([
    ['a ticket for another node', { aud: 'A'.repeat(43) }, 401, 'bad_ticket'],
    ['an expired ticket', { iat: now - 200, exp: now - 100 }, 401, 'bad_ticket'],
    ['a ticket for another body', { bodySha256: '0'.repeat(64) }, 401, 'bad_ticket'],
    ['a ticket for another path', { path: EMBEDDINGS_PATH }, 401, 'bad_ticket'],
    ['a ticket for another model', { model: 'souk/word-vectors' }, 401, 'bad_ticket'],
    ['a ticket for other files', { modelDigest: '0'.repeat(64) }, 404, 'model_not_loaded'],
  ])('%s', async (_, overrides, status, code) => {
    const response = await send(node, CHAT_PATH, body, aTicket(node, CHAT_PATH, body, overrides))
    expect((await refusal(response)).slice(0, 2)).toEqual([status, code])
  })

  it('no ticket, and a ticket of a stranger', async () => {
    const bare = await fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', body })
    expect((await refusal(bare)).slice(0, 2)).toEqual([401, 'bad_ticket'])
    const other = await aNode({ models: [aModel('word-vectors')] })
    const jws = await other.gateway.sign(aTicket(node, CHAT_PATH, body))
    const foreign = await fetch(`${node.url}${CHAT_PATH}`, {
      method: 'POST',
      body,
      headers: { authorization: `Souk ${jws}` },
    })
    expect(await refusal(foreign)).toEqual([401, 'bad_ticket', 'The ticket is not signed by our gateway.'])
    await other.dispose()
  })

  it('a ticket that was used before', async () => {
    const ticket = aTicket(node, CHAT_PATH, body)
    await readAnswer(await send(node, CHAT_PATH, body, ticket))
    expect(await refusal(await send(node, CHAT_PATH, body, ticket))).toEqual([
      401,
      'bad_ticket',
      'The ticket was used before.',
    ])
  })

  it.each([
    ['{', 'The body is not valid JSON.'],
    [chatBody('secret words', { temperature: 'hot' }), 'Not valid: temperature.'],
    [chatBody('secret words', { secretField: 1 }), 'Not valid: an unknown field.'],
    ['{"model":"souk/tiny-chat","messages":[{"role":"user","content":"\\ud800"}]}', 'The body has no canonical form.'],
  ])('a wrong body, without quoting it: %s', async (wrong, message) => {
    expect(await refusal(await send(node, CHAT_PATH, wrong))).toEqual([400, 'bad_request', message])
  })

  it('a body over the limit, with and without its length announced', async () => {
    const huge = ' '.repeat(4 * 1024 * 1024 + 1)
    expect((await refusal(await send(node, CHAT_PATH, huge))).slice(0, 2)).toEqual([413, 'bad_request'])
    const stream = new Blob([huge]).stream()
    const init = { body: stream, duplex: 'half' } as const
    expect((await refusal(await send(node, CHAT_PATH, huge, undefined, init))).slice(0, 2)).toEqual([
      413,
      'bad_request',
    ])
  })

  it('a wire version it does not speak', async () => {
    const jws = await node.gateway.sign(aTicket(node, CHAT_PATH, body))
    const headers = { authorization: `Souk ${jws}`, 'souk-wire': '4' }
    const response = await fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', body, headers })
    expect((await refusal(response)).slice(0, 2)).toEqual([400, 'bad_request'])
  })

  it('more calls than the queue holds, with 429', async () => {
    const small = await aNode({ models: [{ ...aModel('tiny-chat'), concurrencyMax: 1, queueMax: 0 }] })
    const first = await send(small, CHAT_PATH, chatBody(A_STORY))
    const second = await send(small, CHAT_PATH, chatBody('hi'))
    expect([second.headers.get('retry-after'), ...(await refusal(second)).slice(0, 2)]).toEqual(['1', 429, 'busy'])
    expect((await readAnswer(first)).isDone).toBe(true)
    await small.dispose()
  })
})

describe('the rest of the node', () => {
  it('proves its own endpoint and no other', async () => {
    const challenge = 'c'.repeat(43)
    const ask = (endpoint: string) =>
      fetch(`${node.url}/souk/challenge`, { method: 'POST', body: JSON.stringify({ challenge, endpoint }) })
    const { proof } = z.object({ proof: z.string() }).parse(await (await ask('https://node.example')).json())
    const key = await importPublicKey(node.identity.nodeKey)
    const verified = await verifyClaims(proof, 'souk-challenge', z.unknown(), () => Promise.resolve(key))
    expect(verified).toEqual({ ok: true, value: challengeClaims({ challenge, endpoint: 'https://node.example' }) })
    expect((await refusal(await ask('https://victim.example'))).slice(0, 2)).toEqual([400, 'bad_request'])
  })

  it('says how it is, without a word of any prompt', async () => {
    await readAnswer(await send(node, CHAT_PATH, chatBody('zanzibarprompt')))
    const health = await fetch(`${node.url}/healthz`)
    expect(health.status).toBe(200)
    expect(await health.json()).toMatchObject({
      status: 'ok',
      nodeKey: node.identity.nodeKey,
      models: [
        { model: 'souk/tiny-chat', digest: node.chat.digest, inFlight: 0, waiting: 0 },
        { model: 'souk/word-vectors', digest: node.embeddings.digest },
      ],
    })
    const page = await (await fetch(`${node.url}/metrics`)).text()
    for (const name of ['model_loaded', 'in_flight', 'queue_depth', 'calls_total', 'tokens_total'])
      expect(page).toContain(`souk_node_${name}`)
    expect(page).toContain('gen_ai_server_time_to_first_token_seconds_count')
    expect(page).toContain('souk_node_calls_total{model="souk/tiny-chat",task="chat",outcome="complete"}')
    expect(page).not.toContain('zanzibarprompt')
  })
})

describe('stopping', () => {
  it('lets running calls finish, refuses new ones as draining, and then is gone', async () => {
    const stopping = await aNode({ models: [aModel('tiny-chat')] })
    const body = chatBody(A_STORY, { temperature: 0 })
    const running = await send(stopping, CHAT_PATH, body)
    const stopped = stopping.stop()
    expect((await refusal(await send(stopping, CHAT_PATH, chatBody('hi')))).slice(0, 2)).toEqual([503, 'draining'])
    expect((await fetch(`${stopping.url}/healthz`)).status).toBe(503)
    expect((await readAnswer(running)).isDone).toBe(true)
    await stopped
    await expect(fetch(`${stopping.url}/healthz`)).rejects.toThrow()
    await stopping.dispose()
  })

  it('breaks calls off when the time to finish is up: no [DONE], and a receipt that says cancelled', async () => {
    const stopping = await aNode({ models: [aModel('tiny-chat')], drainMs: 0 })
    const running = await send(stopping, CHAT_PATH, chatBody(A_STORY, { temperature: 0 }))
    const stopped = stopping.stop()
    expect((await readAnswer(running)).isDone).toBe(false)
    await stopped
    expect(await receiptOf(stopping.receipts().at(-1), stopping)).toMatchObject({ outcome: 'cancelled' })
    await stopping.dispose()
  })

  it('says in one sentence that its port is taken', async () => {
    const port = Number(new URL(node.url).port)
    await expect(aNode({ port, models: [aModel('word-vectors')] })).rejects.toThrow(
      `port ${port} on 127.0.0.1 is already in use`,
    )
  })
})

function aModel(folder: string) {
  return {
    folder,
    engine: 'onnx' as const,
    prices: { inputPerMillion: '1', outputPerMillion: '1', perCall: '0' },
    concurrencyMax: 4,
    queueMax: 16,
    threads: 1,
  }
}
