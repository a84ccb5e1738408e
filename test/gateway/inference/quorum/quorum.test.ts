import { systemRandom } from '../../../../gateway/core/clock.ts'
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { newAccountId, type AccountId, type CallId } from '../../../../protocol/units.ts'
import { chat, finish, honest, nodeIdOf, sse, token, type HouseOptions, type ScriptedNode } from '../call-house.ts'
import { aPurse, FUNDS, readTexts, type Purse } from '../settle/purse.ts'

/** 5 input and 2 output tokens at 10 nanos each */
const COST = 70n

interface Body {
  error?: { code: string; message: string; param: string | null }
  choices?: { message: { content: string }; finish_reason: string }[]
  usage?: { prompt_tokens: number; completion_tokens: number; cost: string }
  souk?: { node: string; parts?: { node: string; outputTokens: number; characters: number }[] }
}

const says =
  (...words: string[]): ScriptedNode =>
  () =>
    sse([...words.map((word, index) => token(word, index + 1)), finish(words.length), '[DONE]'])
const liar = says('no', 'thing')
const failing: ScriptedNode = () => new Response('<html>', { status: 500 })
const silent: ScriptedNode = () => sse([], 'hang')
const late =
  (node: ScriptedNode, ms: number): ScriptedNode =>
  async (request) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return node(request)
  }

const operators = Array.from({ length: 8 }, () => newAccountId(systemRandom))
beforeAll(async () => {
  const accounts = createAccounts(env.ACCOUNT)
  for (const id of operators) await accounts(id).open(id)
})

/** Every node is another operator's, as far as nothing else is said. */
const aJuryHouse = (options: HouseOptions) =>
  aPurse({
    ...options,
    offers: options.nodes.map((_, index) => ({
      operatorAccountId: operators[index] as AccountId, // there are more of them than nodes
      ...options.offers?.[index],
    })),
  })

const ask = async (house: Purse, quorum: object, over: object = {}) => {
  const { response, settled } = await house.call('/v1/chat/completions', chat({ provider: { quorum }, ...over }))
  const body = await response
    .clone()
    .json<Body>()
    .catch((): Body => ({}))
  await settled()
  return { response, body }
}
const spent = async (house: Purse) => {
  const { availableNanos, heldNanos } = await house.account.balance()
  expect(heldNanos).toBe(0n)
  return FUNDS - availableNanos
}
const recordOf = async (house: Purse, response: Response) =>
  house.account.call(response.headers.get('x-souk-call-id') as CallId) // as the gateway said it
const outcomes = (house: Purse) =>
  Object.fromEntries(house.reports.map(({ nodeId, outcome, fault }) => [nodeId, `${outcome} ${fault}`]))

describe('a quorum', () => {
  it('answers when enough agree, and pays each of those its own price for all of it', async () => {
    const house = await aJuryHouse({ nodes: [honest, honest, late(honest, 200)] })
    const { response, body } = await ask(house, { n: 3 })
    expect(response.status).toBe(200)
    expect(body.choices).toMatchObject([{ message: { content: 'one two' }, finish_reason: 'stop' }])
    expect(body.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 4, cost: '0.000000140' })
    const part = { outputTokens: 2, characters: 7 }
    const named = [nodeIdOf(0), nodeIdOf(1)].map((node): unknown => expect.objectContaining({ node, ...part }))
    expect(body.souk?.parts).toHaveLength(2)
    expect(body.souk?.parts).toEqual(expect.arrayContaining(named))
    expect(await spent(house)).toBe(2n * COST)
    expect(house.sent).toHaveLength(3)
    expect(outcomes(house)[nodeIdOf(2)]).toBe('cancelled none')
  })

  it('names at /v1/generation who agreed, and how each of the others ended', async () => {
    const house = await aJuryHouse({ nodes: [late(honest, 60), liar, late(honest, 60)] })
    const { response } = await ask(house, { n: 3, agree: 2 })
    const id = response.headers.get('x-souk-call-id') ?? ''
    const { data } = await (
      await house.get(`/v1/generation?id=${id}`)
    ).json<{ data: { attempts: { nodeId: string; outcome: string }[]; parts: { nodeId: string }[] } }>()
    const of = (outcome: string) => data.attempts.filter((each) => each.outcome === outcome).map(({ nodeId }) => nodeId)
    expect(of('served').sort()).toEqual([nodeIdOf(0), nodeIdOf(2)])
    expect(of('outvoted')).toEqual([nodeIdOf(1)])
    expect(data.parts.map(({ nodeId }) => nodeId).sort()).toEqual([nodeIdOf(0), nodeIdOf(2)])
  })

  it('outvotes a liar, who is first, unpaid and marked', async () => {
    const house = await aJuryHouse({ nodes: [liar, late(honest, 20), late(honest, 20)] })
    const { response, body } = await ask(house, { n: 3 })
    expect(body.choices?.[0]?.message.content).toBe('one two')
    expect(outcomes(house)).toEqual({
      [nodeIdOf(0)]: 'outvoted node',
      [nodeIdOf(1)]: 'served none',
      [nodeIdOf(2)]: 'served none',
    })
    const record = await recordOf(house, response)
    const paid = record?.legs.filter(({ role }) => role === 'operator').map(({ party }) => party)
    expect(paid?.sort()).toEqual([operators[1], operators[2]].sort())
    expect(await spent(house)).toBe(2n * COST)
  })

  it('does not hold against a node how long the others took', async () => {
    const house = await aJuryHouse({ nodes: [honest, late(honest, 150)] })
    await ask(house, { n: 2 })
    const quick = house.reports.find(({ nodeId }) => nodeId === nodeIdOf(0))
    const slow = house.reports.find(({ nodeId }) => nodeId === nodeIdOf(1))
    expect(quick?.durationMs).toBeLessThan((slow?.durationMs ?? 0) - 50)
  })

  it('asks another one instead of a node that failed', async () => {
    const house = await aJuryHouse({ nodes: [failing, honest, honest] })
    const { body } = await ask(house, { n: 2 })
    expect(body.choices?.[0]?.message.content).toBe('one two')
    expect(await spent(house)).toBe(2n * COST)
    expect(Object.values(outcomes(house)).filter((outcome) => outcome === 'served none')).toHaveLength(2)
  })

  it('asks nobody else without fallbacks', async () => {
    const house = await aJuryHouse({ nodes: [failing, failing, honest] })
    const provider = { quorum: { n: 2 }, allow_fallbacks: false, order: [nodeIdOf(0), nodeIdOf(1)] }
    const { response } = await ask(house, {}, { provider })
    expect(response.status).toBe(502)
    expect(house.sent).toHaveLength(2)
  })

  it('is refused with the reason of the nodes when none of them answered', async () => {
    const busy: ScriptedNode = () => Response.json({ error: { code: 'busy' } }, { status: 429 })
    const house = await aJuryHouse({ nodes: [busy, busy] })
    expect((await ask(house, { n: 2 })).body.error?.code).toBe('provider_busy')
    expect(await spent(house)).toBe(0n)
  })

  it('that is not reached says so, charges nothing and marks nobody', async () => {
    const house = await aJuryHouse({ nodes: [honest, liar, says('some')] })
    const { response, body } = await ask(house, { n: 3 })
    expect([response.status, body.error?.code]).toEqual([502, 'quorum_not_reached'])
    expect(body.error?.message).toContain('3 of 3 answered, and 2 had to say the same')
    expect(await spent(house)).toBe(0n)
    expect(Object.values(outcomes(house))).toEqual(Array(3).fill('quorum_not_reached none'))
    expect((await recordOf(house, response))?.outcome).toBe('failed')
  })

  it('waits for nobody when it cannot be reached any more', async () => {
    const house = await aJuryHouse({ nodes: [honest, liar, silent] })
    const before = Date.now()
    expect((await ask(house, { n: 3, agree: 3 })).body.error?.code).toBe('quorum_not_reached')
    expect(Date.now() - before).toBeLessThan(5_000)
    expect(outcomes(house)[nodeIdOf(2)]).toBe('cancelled none')
  })

  it('of more nodes than there are is refused before anything is held, and says how many there are', async () => {
    const house = await aJuryHouse({ nodes: [honest, honest] })
    const { response, body } = await ask(house, { n: 3 })
    expect([response.status, body.error?.code]).toEqual([503, 'no_provider'])
    expect(body.error?.message).toContain('A quorum of 3 was asked for, and 2 of its providers fit.')
    expect(house.sent).toEqual([])
  })

  it('holds for every node as much as the dearest of them can cost', async () => {
    const one = await aJuryHouse({ nodes: [honest, honest, honest] })
    const single = await one.call('/v1/chat/completions', chat())
    const of = ({ response }: { response: Response }) => Number(response.headers.get('x-souk-hold')?.replace('.', ''))
    expect(of(await ask(one, { n: 3, agree: 2 }))).toBe(3 * of(single))
    const poor = await aJuryHouse({ nodes: [honest, honest, honest], usd: '0.000002' })
    const { response, body } = await ask(poor, { n: 3 })
    expect([response.status, body.error?.code]).toEqual([402, 'insufficient_funds'])
  })

  it('asks every node with the same seed, where it honours one, and tells it', async () => {
    const offers = [0, 1].map(() => ({ parameters: new Set(['seed', 'temperature'] as const) }))
    const house = await aJuryHouse({ nodes: [honest, honest], offers })
    const { body } = await ask(house, { n: 2 }, { temperature: 1 })
    const seeds = house.sent.map(({ body: sent }) => (JSON.parse(String(sent)) as { seed?: number }).seed) // our own body
    expect(new Set(seeds).size).toBe(1)
    expect(seeds[0]).toBe((body.souk as { seed?: number }).seed)
  })

  it('reports no progress: a gateway that vanishes before the answer costs nothing', async () => {
    let reports = 0
    const guard: HouseOptions['guard'] = (account) => ({
      progress: (progress) => {
        reports += 1
        return account.progress(progress)
      },
    })
    const house = await aJuryHouse({ nodes: [honest, honest], guard, timeouts: { progressMs: 0 } })
    const { response, settled } = await house.call(
      '/v1/chat/completions',
      chat({ provider: { quorum: { n: 2 } }, stream: true }),
    )
    await response.text()
    await settled()
    expect(reports).toBe(0)
  })

  it('ends with its call when nobody else answers, and whoever answered is not to blame', async () => {
    const house = await aJuryHouse({ nodes: [honest, silent], timeouts: { totalMs: 800 } })
    const { response, body } = await ask(house, { n: 2 })
    expect([response.status, body.error?.code]).toEqual([502, 'quorum_not_reached'])
    expect(outcomes(house)[nodeIdOf(0)]).toBe('provider_timeout none')
    expect(await spent(house)).toBe(0n)
  })
})

describe('a quorum for who streams', () => {
  const stream = { stream: true }

  it('gives nothing before enough agree, and then all of it', async () => {
    const house = await aJuryHouse({
      nodes: [liar, late(honest, 120), late(honest, 120)],
      timeouts: { keepAliveMs: 30 },
    })
    const provider = { quorum: { n: 3 } }
    const { response, settled } = await house.call('/v1/chat/completions', chat({ ...stream, provider }))
    const text = await response.text()
    await settled()
    expect(text).toMatch(/^:/)
    expect(text).not.toContain('thing')
    expect(text.match(/"content":"one two"/g)).toHaveLength(1)
    expect(text).toContain('"cost":"0.000000140"')
    expect(text).toContain('"parts":[')
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(await spent(house)).toBe(2n * COST)
  })

  it('is an honest status while nothing was said, and an error without [DONE] afterwards', async () => {
    const soon = await aJuryHouse({ nodes: [honest, liar] })
    const provider = { quorum: { n: 2 } }
    expect((await soon.call('/v1/chat/completions', chat({ ...stream, provider }))).response.status).toBe(502)
    const later = await aJuryHouse({ nodes: [honest, late(liar, 80)], timeouts: { keepAliveMs: 20 } })
    const { response } = await later.call('/v1/chat/completions', chat({ ...stream, provider }))
    const text = await response.text()
    expect(text).toContain('"code":"quorum_not_reached"')
    expect(text).not.toContain('[DONE]')
    expect(await spent(later)).toBe(0n)
  })

  it('is charged for what had arrived of every node when its caller leaves, and never above the hold', async () => {
    const half: ScriptedNode = () => sse([token('one ', 1)], 'hang')
    const house = await aJuryHouse({ nodes: [half, honest, silent], timeouts: { keepAliveMs: 20 } })
    const caller = new AbortController()
    const provider = { quorum: { n: 3, agree: 3 } }
    const begun = await house.call('/v1/chat/completions', chat({ ...stream, provider }), { signal: caller.signal })
    await begun.response.body?.getReader().read()
    await new Promise((resolve) => setTimeout(resolve, 300))
    caller.abort()
    await begun.settled()
    const record = await recordOf(house, begun.response)
    expect(record?.outcome).toBe('cancelled')
    // 5 in and 1 out of the first, 5 in and 2 out of the second, nothing of the third
    expect(await spent(house)).toBe(60n + 70n)
    const paid = record?.legs.filter(({ role }) => role === 'operator').map(({ party }) => party)
    expect(paid?.sort()).toEqual([operators[0], operators[1]].sort())
    expect(Object.values(outcomes(house))).toEqual(Array(3).fill('cancelled caller'))
  })

  it('gives every choice with its end and its log probabilities, as one node would', async () => {
    const chance = (word: string) => ({ token: word, logprob: -0.5, bytes: null, top_logprobs: [] })
    const said = (index: number, content: string) => ({
      choices: [{ index, delta: { content }, logprobs: [chance(content)], finish_reason: null }],
      usage: { prompt_tokens: 5, completion_tokens: 2 },
    })
    const end = (index: number) => ({
      choices: [{ index, delta: {}, logprobs: [chance('<end>')], finish_reason: 'stop' }],
    })
    const both: ScriptedNode = () => sse([said(0, 'a'), said(1, 'b'), end(0), end(1), '[DONE]'])
    const events = async (nodes: ScriptedNode[], provider: object) => {
      const house = await aJuryHouse({ nodes })
      const asked = chat({ ...stream, n: 2, logprobs: true, provider })
      const { response } = await house.call('/v1/chat/completions', asked)
      const lines = (await response.text()).split('\n\n').filter((line) => line.startsWith('data: {'))
      return lines.map((line) => (JSON.parse(line.slice(6)) as { choices: object[] }).choices) // our own chunk
    }
    expect(await events([both, both], { quorum: { n: 2 } })).toEqual(await events([both], {}))
  })

  it('is kept and given again for its Idempotency-Key', async () => {
    const house = await aJuryHouse({ nodes: [honest, honest] })
    const asked = chat({ ...stream, provider: { quorum: { n: 2 } } })
    const init = { headers: { 'idempotency-key': 'once' } }
    const first = await house.call('/v1/chat/completions', asked, init)
    const text = await first.response.text()
    await first.settled()
    const again = await house.call('/v1/chat/completions', asked, init)
    expect(again.response.headers.get('x-souk-replayed')).toBe('true')
    expect(await again.response.text()).toBe(text)
    expect(house.sent).toHaveLength(2)
  })

  it('is read by a caller as it comes', async () => {
    const house = await aJuryHouse({ nodes: [honest, honest] })
    const { response } = await house.call('/v1/chat/completions', chat({ ...stream, provider: { quorum: { n: 2 } } }))
    await (await readTexts(response, 1)).cancel()
  })
})

describe('a quorum whose account’s guard is away when it ends', () => {
  beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined))
  afterEach(() => void vi.restoreAllMocks())

  /** Away for as long as somebody waits for the answer, and back behind it. */
  const aLateHouse = async (nodes: ScriptedNode[]) => {
    const asked = { captures: 0 }
    const guard: HouseOptions['guard'] = (account) => ({
      capture: (end) => (++asked.captures <= 4 ? Promise.reject(new Error('planned: away')) : account.capture(end)),
    })
    return { asked, house: await aJuryHouse({ nodes, guard, timeouts: { settleLaterMs: 50 } }) }
  }

  it.each([true, false])('costs nothing when nobody got its answer, though the caller streams: %s', async (stream) => {
    const { house, asked } = await aLateHouse([honest, honest])
    const { response, settled } = await house.call(
      '/v1/chat/completions',
      chat({ stream, provider: { quorum: { n: 2 } } }),
    )
    const text = await response.text()
    await settled()
    expect(text).toContain('"code":"unavailable"')
    expect(text).not.toContain('one two')
    // It was not asked again behind the answer: the hold runs out, and nothing was reported of it.
    expect(asked.captures).toBe(4)
    await house.expireAll()
    expect(await spent(house)).toBe(0n)
  })

  it('is paid for when its answer can be had again', async () => {
    const { house } = await aLateHouse([honest, honest])
    const asked = chat({ stream: true, provider: { quorum: { n: 2 } } })
    const init = { headers: { 'idempotency-key': 'once' } }
    const first = await house.call('/v1/chat/completions', asked, init)
    await first.response.text()
    await first.settled()
    expect(await spent(house)).toBe(2n * COST)
    const again = await house.call('/v1/chat/completions', asked, init)
    expect(await again.response.text()).toContain('"content":"one two"')
    expect(house.sent).toHaveLength(2)
  })

  it('has its money back at once when it was not reached', async () => {
    const { house, asked } = await aLateHouse([honest, liar])
    await ask(house, { n: 2 })
    expect(asked.captures).toBe(5)
    expect(await spent(house)).toBe(0n)
  })
})
