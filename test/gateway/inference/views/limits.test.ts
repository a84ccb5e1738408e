// What a caller is told of limits: on success under OpenAI's names, on refusal which limit and when it frees. And keys with a list of nodes.
import { describe, expect, it } from 'vitest'
import { duration, headroomHeaders } from '../../../../gateway/inference/views/limit-headers.ts'
import { NO_LIMITS } from '../../../../gateway/ledger/limits/limit-store.ts'
import type { HoldRequest } from '../../../../gateway/ledger/account-port.ts'
import { AccountLimitsView, KeyView } from '../../../../protocol/auth.ts'
import { ErrorBody } from '../../../../protocol/errors.ts'
import { nanos, toUsd } from '../../../../protocol/units.ts'
import { aHouse, chat, honest, nodeIdOf } from '../call-house.ts'

const PATH = '/v1/chat/completions'
const named = (response: Response, prefix: string) =>
  Object.fromEntries([...response.headers].filter(([name]) => name.startsWith(prefix)))
const codeOf = async (response: Response) => ErrorBody.parse(await response.json()).error.code

describe('durations', () => {
  it.each([
    [0, '0s'],
    [7, '7ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_250, '1.25s'],
    [60_000, '1m0s'],
    [90_500, '1m30.5s'],
  ])('of %i ms read %s', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })

  it('and nothing at all is said of what is not limited', () => {
    expect(headroomHeaders({ requests: null, tokens: null })).toEqual({})
  })
})

describe('a granted call', () => {
  it.each([true, false])('says what is left of its rates (streamed: %s)', async (stream) => {
    const house = await aHouse({ nodes: [honest], key: { rpm: 60, tpm: 1_000_000 } })
    const { response, settled } = await house.call(PATH, chat({ stream, max_tokens: 10 }))
    await response.text()
    await settled()
    const {
      'x-ratelimit-remaining-tokens': left,
      'x-ratelimit-reset-tokens': reset,
      ...rest
    } = named(response, 'x-ratelimit')
    expect(rest).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '1000000',
    })
    expect(Number(left)).toBeLessThan(1_000_000)
    expect(reset).toMatch(/^\d+ms$/)
  })

  it('says nothing of rates when there are none', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response, settled } = await house.call(PATH, chat())
    await settled()
    expect(named(response, 'x-ratelimit')).toEqual({})
  })

  it('says what it cost when its answer is whole, as its usage does', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response, settled } = await house.call(PATH, chat())
    await settled()
    const { usage }: { usage: { cost: string } } = await response.json()
    expect(response.headers.get('x-souk-cost')).toBe(usage.cost)
    expect(Number(usage.cost)).toBeGreaterThan(0)
  })
})

describe('a refusal', () => {
  it('by a rate says which, how much of it is left and when it frees', async () => {
    const house = await aHouse({ nodes: [honest], key: { rpm: 1 } })
    const first = await house.call(PATH, chat())
    await first.settled()
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response)]).toEqual([429, 'rate_limited'])
    const { 'x-ratelimit-reset': reset, ...rest } = named(response, 'x-ratelimit')
    expect(rest).toEqual({ 'x-ratelimit-limit': '1', 'x-ratelimit-remaining': '0' })
    expect(Number(reset)).toBeGreaterThan(50)
    expect(Number(reset)).toBeLessThanOrEqual(60)
    expect(response.headers.get('retry-after')).toBe(reset)
    expect(response.headers.get('x-souk-limit')).toBe('key_requests')
    expect(response.headers.get('x-souk-call-id')).toMatch(/^call_/)
  })

  it('by a budget says it in dollars, and when the period ends', async () => {
    const limit = { nanos: nanos(1n), period: 'day', shadow: false } as const
    const house = await aHouse({ nodes: [honest] })
    await house.account.setLimits({ ...NO_LIMITS, limit: { ...limit, nanos: nanos(10_000_000n) } })
    const spent = await house.call(PATH, chat())
    await spent.settled()
    await house.account.setLimits({ ...NO_LIMITS, limit })
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response)]).toEqual([402, 'account_budget_exceeded'])
    expect(response.headers.get('x-souk-limit')).toBe('account_budget')
    expect(named(response, 'x-ratelimit')).toMatchObject({
      'x-ratelimit-limit': toUsd(nanos(1n)),
      'x-ratelimit-remaining': toUsd(nanos(0n)),
    })
  })

  it('by the balance frees by no waiting', async () => {
    const house = await aHouse({ nodes: [honest], usd: '0' })
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response)]).toEqual([402, 'insufficient_funds'])
    expect(response.headers.get('x-souk-limit')).toBe('balance')
    expect(response.headers.get('retry-after')).toBeNull()
    expect(named(response, 'x-ratelimit')).toEqual({
      'x-ratelimit-limit': '0.000000000',
      'x-ratelimit-remaining': '0.000000000',
    })
  })

  it('of a frozen account says why', async () => {
    const house = await aHouse({ nodes: [honest] })
    await house.account.freeze({ cause: 'admin', reason: 'under review', by: null })
    const { response } = await house.call(PATH, chat())
    expect(response.status).toBe(403)
    expect(ErrorBody.parse(await response.json()).error).toMatchObject({
      code: 'account_frozen',
      message: expect.stringContaining('under review') as unknown,
    })
    expect(house.sent).toEqual([])
  })
})

describe('a key with a list of nodes', () => {
  it('is served by them alone, in a second order under the same call id, and only that one is held', async () => {
    const holds: HoldRequest[] = []
    const house = await aHouse({
      nodes: [honest, honest, honest],
      key: { nodes: [nodeIdOf(2)] },
      guard: (account) => ({
        hold: (request) => {
          holds.push(request)
          return account.hold(request)
        },
      }),
    })
    const { response, settled } = await house.call(PATH, chat())
    await settled()
    expect(response.status).toBe(200)
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(2))
    expect(house.sent.map(({ endpoint }) => endpoint)).toEqual(['https://node-2'])
    expect(holds.map(({ callId }) => callId)).toEqual(Array(2).fill(response.headers.get('x-souk-call-id')))
    expect(holds.at(-1)?.nodeIds).toEqual([nodeIdOf(2)])
    expect((await house.account.lines(0, 10)).length).toBe(2)
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('is refused when none of them serves the model, and holds nothing', async () => {
    const house = await aHouse({ nodes: [honest], key: { nodes: [nodeIdOf(7)] } })
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response)]).toEqual([403, 'node_not_allowed'])
    expect(house.sent).toEqual([])
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('hears that they are busy when they are', async () => {
    const busy = { concurrencyMax: 1, inFlight: 1 }
    const house = await aHouse({ nodes: [honest, honest], offers: [{}, busy], key: { nodes: [nodeIdOf(1)] } })
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response)]).toEqual([429, 'provider_busy'])
  })

  it('is asked for a hold twice at most', async () => {
    let asked = 0
    const house = await aHouse({
      nodes: [honest, honest],
      guard: () => ({
        hold: async () => {
          asked += 1
          return { ok: false, code: 'node_not_allowed', nodes: [nodeIdOf(0)] }
        },
      }),
    })
    const { response } = await house.call(PATH, chat())
    expect([response.status, await codeOf(response), asked]).toEqual([403, 'node_not_allowed', 2])
  })
})

it('GET /v1/key shows the key, its limits, the account’s limits and its money', async () => {
  const house = await aHouse({ nodes: [honest], usd: '1', key: { rpm: 60, nodes: [nodeIdOf(0)] } })
  await house.account.setLimits({ ...NO_LIMITS, concurrency: 9 })
  const { data }: { data: Record<string, unknown> } = await (await house.get('/v1/key')).json()
  expect(KeyView.parse(data)).toMatchObject({ id: house.keyId, rateLimit: { rpm: 60 }, nodes: [nodeIdOf(0)] })
  expect(AccountLimitsView.parse(data['account'])).toMatchObject({ rateLimit: { concurrency: 9 } })
  expect(data).toMatchObject({
    balance: '1.000000000',
    held: '0.000000000',
    heldByKey: '0.000000000',
    vesting: '0.000000000',
  })
})
