// The consumer's story, on the real market: the official client in its own process, the trained models, and money that agrees everywhere.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importPublicKey } from '../../protocol/keys.ts'
import { outputHash, requestHash, verifyReceipt } from '../../protocol/receipt.ts'
import { fromUsd } from '../../protocol/units.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startMarket, type Market } from '../support/market.ts'
import { eventually } from '../support/eventually.ts'

let market: Market
beforeAll(async () => {
  market = await startMarket()
})
afterAll(() => market?.stop())

const PARIS = 'The capital of France is Paris.'
const question = { model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const post = (path: string, key: string, body: unknown, base = market.url) =>
  fetch(`${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const Usage = z.object({ prompt_tokens: z.number(), completion_tokens: z.number().optional(), cost: z.string() })
const Report = z.object({
  chat: z.object({ text: z.string(), usage: Usage }),
  streamed: z.object({ text: z.string(), finish: z.string(), usage: Usage }),
  withUsage: z.array(z.object({ choices: z.number(), usage: Usage })),
  embeddings: z.object({ lengths: z.array(z.number()), first: z.array(z.number()), usage: Usage }),
  models: z.array(z.string()),
  model: z.string(),
  refusal: z.object({ class: z.string(), status: z.number(), code: z.string(), type: z.string(), param: z.string() }),
})

async function officialClient(key: string) {
  const script = fileURLToPath(new URL('openai-client.mjs', import.meta.url))
  const env = { ...process.env, OPENAI_BASE_URL: `${market.url}/v1`, OPENAI_API_KEY: key }
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env })
  return Report.parse(JSON.parse(stdout))
}

describe('the official client', () => {
  it('gets chat, stream, embeddings and an honest error by changing base URL and key only', async () => {
    const { key } = await market.consumer()
    const report = await officialClient(key)
    expect(report.chat.text).toBe(PARIS)
    expect(report.streamed).toMatchObject({ text: PARIS, finish: 'stop' })
    expect(report.withUsage).toHaveLength(1)
    expect(report.withUsage[0]?.choices).toBe(0)
    expect(report.embeddings.lengths).toEqual([100, 100])
    expect(Math.abs(report.embeddings.first[0] ?? 0)).toBeGreaterThan(0)
    expect(report.models).toEqual(expect.arrayContaining(['souk/tiny-chat', 'souk/word-vectors']))
    expect(report.model).toBe('souk/tiny-chat')
    expect(report.refusal).toEqual({
      class: 'NotFoundError',
      status: 404,
      code: 'model_not_found',
      type: 'not_found_error',
      param: 'model',
    })
  })

  it('pays exactly what the answers say: balance before − after = cost = the payer legs in D1, to the nano', async () => {
    const { key, client, accountId } = await market.consumer()
    const before = fromUsd((await client.account()).balance)
    const { chat, streamed, withUsage, embeddings } = await officialClient(key)
    const costs = [chat.usage, streamed.usage, withUsage[0]?.usage, embeddings.usage].map((usage) =>
      fromUsd(usage?.cost ?? '0'),
    )
    const cost = costs.reduce((sum, each) => sum + each, 0n)
    expect(cost).toBeGreaterThan(0n)
    const account = await client.account()
    expect(before - fromUsd(account.balance)).toBe(cost)
    expect(account.held).toBe('0.000000000')
    await eventually(5_000, async () => {
      const [paid] = await market.query(
        'BOOK_0',
        "SELECT CAST(sum(amount_nanos) AS TEXT) AS sum FROM legs WHERE party = ? AND role = 'payer'",
        accountId,
      )
      expect(paid?.sum).toBe(String(-cost))
    })
    const [all] = await market.query(
      'BOOK_0',
      'SELECT CAST(sum(amount_nanos) AS TEXT) AS sum FROM legs WHERE account_id = ?',
      accountId,
    )
    expect(all?.sum).toBe('0')
    const [rolled] = await market.query(
      'BOOK_0',
      'SELECT CAST(sum(charge_nanos) AS TEXT) AS sum, sum(calls) AS calls FROM rollups_hour WHERE account_id = ?',
      accountId,
    )
    expect(rolled).toEqual({ sum: String(cost), calls: 4 })
  })

  it('can prove afterwards what was asked and answered, offline', async () => {
    const { key } = await market.consumer()
    const answer = z
      .object({
        choices: z.array(z.object({ message: z.object({ content: z.string() }) })),
        // No seed was given, so one was drawn, and whoever checks the receipt is told which.
        souk: z.object({
          node: z.string(),
          receipt: z.string(),
          salt: z.string(),
          callId: z.string(),
          seed: z.number(),
        }),
      })
      .parse(await (await post('/v1/chat/completions', key, { ...question, max_tokens: 20 })).json())
    const [node] = await market.query('DB', 'SELECT node_key FROM nodes WHERE id = ?', answer.souk.node)
    const receipt = await verifyReceipt(answer.souk.receipt, await importPublicKey(z.string().parse(node?.node_key)))
    if (!receipt.ok) throw new Error(receipt.code)
    expect(receipt.value.outputs).toEqual([outputHash(answer.souk.salt, answer.choices[0]?.message.content ?? '')])
    const asked = { ...question, stream: true, max_tokens: 20, seed: answer.souk.seed }
    expect(receipt.value.request).toBe(requestHash(answer.souk.salt, asked))
    expect(receipt.value.callId).toBe(answer.souk.callId)
  })

  it('finds each call explained, and nobody else does', async () => {
    const { key } = await market.consumer()
    const response = await post('/v1/chat/completions', key, question)
    const id = response.headers.get('x-souk-call-id') ?? ''
    const ask = (by: string) =>
      fetch(`${market.url}/v1/generation?id=${id}`, { headers: { authorization: `Bearer ${by}` } })
    const { data } = z
      .object({
        data: z.object({
          outcome: z.string(),
          attempts: z.array(z.object({ outcome: z.string() })),
          choice: z.object({ seed: z.string(), candidates: z.array(z.unknown()) }).loose(),
        }),
      })
      .parse(await (await ask(key)).json())
    expect(data).toMatchObject({ outcome: 'complete', attempts: [{ outcome: 'served' }] })
    expect(data.choice.candidates.length).toBeGreaterThan(0)
    const other = await market.consumer()
    expect((await ask(other.key)).status).toBe(404)
  })
})

describe('a wrong request is refused with the cause named, and costs nothing', () => {
  const refusals: [string, { key?: string; body: unknown }, number, string, string | null][] = [
    [
      // Refused before it is read: the refusal must arrive all the same.
      'wrong key, long body',
      {
        key: `sk-souk-${'0'.repeat(16)}-${'0'.repeat(10)}-${'0'.repeat(32)}-${'0'.repeat(16)}`,
        body: JSON.stringify({ ...question, user: 'x'.repeat(3 * 1024 * 1024) }),
      },
      401,
      'invalid_api_key',
      null,
    ],
    [
      'wrong key',
      { key: `sk-souk-${'0'.repeat(16)}-${'0'.repeat(10)}-${'0'.repeat(32)}-${'0'.repeat(16)}`, body: question },
      401,
      'invalid_api_key',
      null,
    ],
    ['nonsense for a key', { key: 'sk-souk-nonsense', body: question }, 401, 'invalid_api_key', null],
    ['unknown model', { body: { ...question, model: 'souk/nothing' } }, 404, 'model_not_found', 'model'],
    ['malformed JSON', { body: '{"model": "souk/tiny-chat", ' }, 400, 'invalid_json', null],
    [
      'oversized body',
      { body: JSON.stringify({ ...question, user: 'x'.repeat(4 * 1024 * 1024) }) },
      413,
      'body_too_large',
      null,
    ],
    ['wrong field type', { body: { ...question, temperature: 'hot' } }, 400, 'invalid_request', 'temperature'],
    [
      'input over the context',
      { body: { ...question, messages: [{ role: 'user', content: 'word '.repeat(600) }] } },
      400,
      'context_length_exceeded',
      null,
    ],
  ]
  it.each(refusals)('%s', async (_, { key, body }, status, code, param) => {
    const consumer = await market.consumer()
    const before = await consumer.client.account()
    const response = await post('/v1/chat/completions', key ?? consumer.key, body)
    expect(response.status).toBe(status)
    const { error } = z
      .object({
        error: z.object({
          code: z.string(),
          message: z.string(),
          type: z.string(),
          param: z.string().nullable(),
          requestId: z.string(),
        }),
      })
      .parse(await response.json())
    expect(error).toMatchObject({ code, param })
    expect(error.message).not.toBe('')
    const after = await consumer.client.account()
    expect([after.balance, after.held]).toEqual([before.balance, before.held])
  })

  it('no credit: 402, with the most the call can cost', async () => {
    const { key } = await market.consumer({ credit: false })
    const response = await post('/v1/chat/completions', key, question)
    expect(response.status).toBe(402)
    const { error } = z
      .object({ error: z.object({ code: z.string(), type: z.string(), message: z.string() }) })
      .parse(await response.json())
    expect(error).toMatchObject({ code: 'insufficient_funds', type: 'insufficient_quota' })
    expect(error.message).toMatch(/\$0\.\d{9}/)
  })

  it('a revoked key: from the next call', async () => {
    const { key, client } = await market.consumer()
    expect((await post('/v1/chat/completions', key, question)).status).toBe(200)
    const id = key.split('-')[3] ?? ''
    await client.send('DELETE', `/api/keys/${id}`, z.unknown())
    const refused = await post('/v1/chat/completions', key, question)
    expect(refused.status).toBe(401)
    expect(await refused.json()).toMatchObject({ error: { code: 'api_key_revoked' } })
  })

  it('leaves no half-written row behind', async () => {
    await eventually(5_000, async () => {
      const [open] = await market.query(
        'BOOK_0',
        "SELECT count(*) AS n FROM calls WHERE outcome NOT IN ('complete', 'failed')",
      )
      expect(open?.n).toBe(0)
      const [unbalanced] = await market.query(
        'BOOK_0',
        'SELECT count(*) AS n FROM (SELECT transfer_id FROM legs GROUP BY account_id, seq HAVING sum(amount_nanos) <> 0)',
      )
      expect(unbalanced?.n).toBe(0)
    })
  })
})
