// The whole text surface on the real market: the official client in its own process, the real model on a real node, and every bill to the nano.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { importPublicKey } from '../../protocol/keys.ts'
import { Completion, PricedUsage, SoukTrailer, TokenLogprob } from '../../protocol/openai.ts'
import { outputHash, verifyReceipt } from '../../protocol/receipt.ts'
import { fromUsd } from '../../protocol/units.ts'
import { startMarket, type Market } from '../support/market.ts'

const PARIS = 'The capital of France is Paris.'
const Streamed = z.array(
  z.object({ text: z.string(), finish: z.string(), tokens: z.array(z.string()), roles: z.number() }),
)
const Report = z.object({
  costs: z.array(z.string()),
  sampled: z.array(z.array(z.string())),
  sampledProof: SoukTrailer,
  streamed: Streamed,
  told: z.object({
    message: z.object({ content: z.string() }),
    logprobs: z.object({ content: z.array(TokenLogprob), refusal: z.null() }),
  }),
  toldInStream: Streamed,
  json: z.object({ text: z.string(), finish: z.string() }),
  completed: Completion.shape.choices,
  completedUsage: PricedUsage,
  completedInStream: Streamed,
  vector: z.array(z.number()),
  refusals: z.array(z.object({ status: z.number(), code: z.string(), param: z.string().nullable() }).nullable()),
})

let market: Market
let report: z.infer<typeof Report>
let paid: bigint
beforeAll(async () => {
  market = await startMarket()
  const { key, client } = await market.consumer()
  const before = fromUsd((await client.account()).balance)
  const script = fileURLToPath(new URL('openai-text.mjs', import.meta.url))
  const env = { ...process.env, OPENAI_BASE_URL: `${market.url}/v1`, OPENAI_API_KEY: key }
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env })
  report = Report.parse(JSON.parse(stdout))
  const { balance, held } = await client.account()
  expect(held).toBe('0.000000000')
  paid = before - fromUsd(balance)
})
afterAll(() => market?.stop())

describe('two choices with a seed', () => {
  it('are sampled apart, and the same whenever they are asked for, streamed or not', () => {
    const [first, second] = report.sampled
    expect(first).toHaveLength(2)
    expect(first?.[0]).not.toBe(first?.[1])
    expect(second).toEqual(first)
    expect(report.streamed.map(({ text }) => text)).toEqual(first)
    expect(report.streamed.map(({ roles }) => roles)).toEqual([1, 1])
  })

  it('stand in one receipt, each with its own hash', async () => {
    const { node, receipt, salt } = report.sampledProof
    const [row] = await market.query('DB', 'SELECT node_key FROM nodes WHERE id = ?', node)
    const verified = await verifyReceipt(receipt ?? '', await importPublicKey(z.string().parse(row?.node_key)))
    if (!verified.ok) throw new Error(verified.code)
    expect(verified.value.outputs).toEqual(report.sampled[0]?.map((text) => outputHash(salt ?? '', text)))
  })
})

describe('log probabilities', () => {
  it('name the tokens of the text, the likeliest first, and what else might have come', () => {
    const { message, logprobs } = report.told
    expect(message.content).toBe(PARIS)
    const bytes = logprobs.content.flatMap((token) => token.bytes ?? [])
    expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(PARIS)
    for (const { token, logprob, top_logprobs } of logprobs.content) {
      expect(top_logprobs).toHaveLength(3)
      // Greedy: what came is the likeliest.
      expect(top_logprobs[0]).toMatchObject({ token, logprob })
      expect(top_logprobs.reduce((sum, each) => sum + Math.exp(each.logprob), 0)).toBeLessThanOrEqual(1 + 1e-6)
    }
  })

  it('are the same in a stream', () => {
    const [choice] = report.toldInStream
    expect(choice?.text).toBe(PARIS)
    expect(choice?.tokens).toEqual(report.told.logprobs.content.map(({ token }) => token))
  })
})

it('JSON mode gives one object and ends with it, of a model that answers in sentences', () => {
  const { text, finish } = report.json
  expect(finish).toBe('stop')
  expect(z.looseObject({}).safeParse(JSON.parse(text)).success).toBe(true)
})

describe('completions', () => {
  it('go on from each prompt, prompt by prompt, with log probabilities in their older form', () => {
    const { completed, completedUsage } = report
    expect(completed.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    // Greedy: the choices of one prompt are equal, those of another are not.
    expect(completed[0]?.text).toBe(completed[1]?.text)
    expect(completed[2]?.text).toBe(completed[3]?.text)
    expect(completed[0]?.text).not.toBe(completed[2]?.text)
    for (const { text, logprobs } of completed) {
      if (!logprobs) throw new Error('no log probabilities')
      const lengths = logprobs.tokens.length
      expect([logprobs.token_logprobs.length, logprobs.text_offset.length]).toEqual([lengths, lengths])
      expect(logprobs.tokens.join('')).toBe(text)
      expect(logprobs.text_offset.map((offset) => text.slice(offset))).toEqual(
        logprobs.tokens.map((_, index) => logprobs.tokens.slice(index).join('')),
      )
    }
    expect(completedUsage.completion_tokens).toBeLessThanOrEqual(20)
  })

  it('are the same in a stream', () => {
    const { completed, completedInStream } = report
    expect(completedInStream.map(({ text }) => text)).toEqual(completed.map(({ text }) => text))
    expect(completedInStream.map(({ finish }) => finish)).toEqual(completed.map(({ finish_reason }) => finish_reason))
    expect(completedInStream.map(({ tokens }) => tokens)).toEqual(completed.map(({ logprobs }) => logprobs?.tokens))
  })
})

it('vectors have the length that was asked for, where the model allows it', () => {
  expect(report.vector).toEqual([50])
})

it('what is not served is refused by its name', () => {
  expect(report.refusals).toEqual([
    { status: 400, code: 'invalid_request', param: 'dimensions' },
    { status: 400, code: 'unsupported_parameter', param: 'response_format' },
    { status: 400, code: 'invalid_request', param: 'n' },
    { status: 400, code: 'invalid_request', param: 'top_logprobs' },
  ])
})

it('all of it cost exactly what the answers said', () => {
  expect(report.costs).toHaveLength(9)
  expect(paid).toBe(report.costs.reduce((sum, cost) => sum + fromUsd(cost), 0n))
})
