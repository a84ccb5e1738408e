// An answer that breaks off in the middle, over a real guard and scripted nodes: who goes on with it, what its caller gets, and who is paid for what.
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import type { Progress } from '../../../../gateway/ledger/account-port.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { ChatChunk } from '../../../../protocol/openai.ts'
import type { Parameter } from '../../../../protocol/routing.ts'
import { nanos, newAccountId, type AccountId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { AUTHOR, aPrice, OPERATOR } from '../../../support/workers/builders.ts'
import { aHouse, chat, finish, nodeIdOf, sse, token, type HouseOptions, type ScriptedNode } from '../call-house.ts'

beforeEach(async () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  await createAccounts(env.ACCOUNT)(RIVAL).open(RIVAL)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const START = 1_000_000_000n
const CHAT = '/v1/chat/completions'
const RIVAL = newAccountId(systemRandom)
const SEEDED: Partial<Offer> = { parameters: new Set<Parameter>(['seed', 'temperature']) }

type Said = Parameters<typeof sse>[0]
/** Nodes in turn, asked in this order. The first one is always OPERATOR's, the others RIVAL's, at 20 nanos in and 15 out. */
const DEAR = { price: aPrice({ inputPerMillion: nanos(20_000_000n), outputPerMillion: nanos(15_000_000n) }) }

interface Story {
  readonly nodes: readonly ScriptedNode[]
  readonly offers?: readonly Partial<Offer>[]
  readonly body?: object
  readonly options?: Partial<HouseOptions>
  readonly path?: string
}

async function tell({ nodes, offers = [], body = {}, options = {}, path = CHAT }: Story) {
  const house = await aHouse({
    nodes,
    offers: nodes.map((_, index) => ({
      ...(index > 0 && { ...DEAR, operatorAccountId: RIVAL }),
      ...offers[index],
    })),
    ...options,
  })
  const order = nodes.map((_, index) => nodeIdOf(index))
  const { response, settled } = await house.call(path, chat({ stream: true, provider: { order }, ...body }))
  const text = await response.text()
  await settled()
  const [line] = (await house.account.lines(0, 100)).flatMap(({ body: line }) =>
    line.includes('"call"') ? [line] : [],
  )
  return { house, text, ...read(text), legs: legsOf(line ?? '{"legs":[]}') }
}

function read(text: string) {
  const events = text.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [event.slice(6)] : []))
  const chunks = events.flatMap((event) => ChatChunk.safeParse(JSON.parse(event)).data ?? [])
  const words = (choice: number) =>
    chunks
      .flatMap(({ choices }) => choices.flatMap((c) => (c.index === choice ? (c.delta.content ?? '') : '')))
      .join('')
  const last = chunks.findLast(({ souk }) => souk)
  return { chunks, words, souk: last?.souk, usage: last?.usage, isWhole: text.trimEnd().endsWith('data: [DONE]') }
}

const legsOf = (line: string) =>
  (JSON.parse(line) as { legs: { party: string; role: string; amount: string; node?: string }[] }).legs.map(
    ({ party, role, amount, node }) => [
      nameOf(party as AccountId),
      role,
      Number(amount) * 1e9,
      ...(node ? [node] : []),
    ],
  ) // as the guard writes it
const nameOf = (party: AccountId) =>
  ({ [OPERATOR]: 'operator', [RIVAL]: 'rival', [AUTHOR]: 'author' })[party] ??
  (party.startsWith('house') ? 'house' : 'payer')

const bodyOf = (house: Awaited<ReturnType<typeof aHouse>>, index: number): Record<string, unknown> =>
  JSON.parse(house.sent[index]?.body as string) as Record<string, unknown> // chat is sent as JSON

const broken: ScriptedNode = () => sse([token('one ', 1)], 'break')
const says =
  (...events: Said): ScriptedNode =>
  () =>
    sse([...events, '[DONE]'])
const whole = says(token('one ', 1), token('two ', 2), token('three', 3), finish(3))
const goesOn = says(token('two ', 1, 6), token('three', 2, 6), finish(2, 6))

async function expectNothingCharged({ house, isWhole, text }: Awaited<ReturnType<typeof tell>>, code: string) {
  expect(text).toContain(`"code":"${code}"`)
  expect(isWhole).toBe(false)
  expect(await house.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
}

describe('the delivered units are charged once, to the nano', () => {
  // 1 token at 10, then 5 in at 20 and 2 out at 15: 10 + 130. Of each part 5 % royalty and 5 % fee, rounded down.
  const LEGS = [
    ['payer', 'payer', -140],
    ['operator', 'operator', 10, nodeIdOf(0)],
    ['rival', 'operator', 118, nodeIdOf(1)],
    ['author', 'author', 6],
    ['house', 'house', 6],
  ]

  it('when the second node begins anew and repeats what was delivered', async () => {
    const story = await tell({ nodes: [broken, whole] })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    expect(story.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 3, cost: '0.000000140' })
    expect(story.legs).toEqual(LEGS)
    expect(story.souk).toMatchObject({
      node: nodeIdOf(1),
      parts: [
        { node: nodeIdOf(0), outputTokens: 1, characters: 4 },
        { node: nodeIdOf(1), outputTokens: 2, characters: 9 },
      ],
    })
    expect(story.house.reports).toMatchObject([
      { nodeId: nodeIdOf(0), outcome: 'provider_broke_off', fault: 'node' },
      { nodeId: nodeIdOf(1), outcome: 'served', fault: 'none' },
    ])
  })

  it('when the second node continues, which is told the delivered text and owes only the rest', async () => {
    const drawn = { temperature: 1, max_tokens: 10 }
    const story = await tell({ nodes: [broken, goesOn], offers: [{}, { continues: true }], body: drawn })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    expect(story.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 3, cost: '0.000000140' })
    expect(story.legs).toEqual(LEGS)
    expect(bodyOf(story.house, 1)).toMatchObject({
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'one ' },
      ],
      continue_final_message: true,
      max_tokens: 9,
    })
    expect(bodyOf(story.house, 0)).toMatchObject({ max_tokens: 10 })
    expect(bodyOf(story.house, 0)).not.toHaveProperty('continue_final_message')
  })

  it('of a completion, whose prefix stands in a field of its own', async () => {
    const story = await tell({
      ...{ nodes: [broken, goesOn], offers: [{}, { continues: true }], path: '/v1/completions' },
      body: { prompt: 'count', messages: undefined, max_tokens: 10 },
    })
    expect(bodyOf(story.house, 1)).toMatchObject({ prompt: 'count', continue_text: 'one ', max_tokens: 9 })
    expect(story.text).toContain('[DONE]')
    expect(story.legs).toEqual(LEGS)
  })

  it('when nothing was left to say: the input and the call are paid to who finished', async () => {
    const perCall = aPrice({ perCall: nanos(7n) })
    const all: ScriptedNode = () => sse([token('one ', 1), token('two', 2)], 'break')
    const story = await tell({
      nodes: [all, says(token('one two', 2), finish(2))],
      offers: [{ price: perCall }, { price: perCall }],
    })
    expect([story.words(0), story.isWhole]).toEqual(['one two', true])
    expect(story.legs).toMatchObject([
      ['payer', 'payer', -77],
      ['operator', 'operator', 18, nodeIdOf(0)],
      ['rival', 'operator', 53, nodeIdOf(1)],
      ['author', 'author', 3],
      ['house', 'house', 3],
    ])
  })

  it('of two nodes of one operator, each leg with its own', async () => {
    const story = await tell({ nodes: [broken, whole], offers: [{}, { operatorAccountId: OPERATOR }] })
    expect(story.legs.filter(([, role]) => role === 'operator')).toEqual([
      ['operator', 'operator', 10, nodeIdOf(0)],
      ['operator', 'operator', 118, nodeIdOf(1)],
    ])
  })

  it('and never above the hold: who finished is paid first', async () => {
    // The first is dear in output, the second in input: neither alone can cost what both together would, 900 and 1,180.
    const first = aPrice({ outputPerMillion: nanos(100_000_000n) })
    const second = aPrice({ inputPerMillion: nanos(30_000_000n) })
    const long = 'nine of x'
    const story = await tell({
      nodes: [() => sse([token(long, 9)], 'break'), says(token(`${long}y`, 10, 300), finish(10, 300))],
      offers: [{ price: first }, { price: second }],
      body: { max_tokens: 10 },
    })
    // 39 tokens of input at most, and 10 of output, by the first one's prices.
    expect(story.usage).toMatchObject({ prompt_tokens: 39, completion_tokens: 10, cost: '0.000001390' })
    expect(story.legs).toEqual([
      ['payer', 'payer', -1_390],
      ['operator', 'operator', 190, nodeIdOf(0)],
      ['rival', 'operator', 1_062, nodeIdOf(1)],
      ['author', 'author', 69],
      ['house', 'house', 69],
    ])
  })

  it('over three nodes, and with the first one’s false count', async () => {
    const liar: ScriptedNode = () => sse([token('one ', 90)], 'break')
    const second: ScriptedNode = () => sse([token('one two ', 2)], 'break')
    const story = await tell({ nodes: [liar, second, whole] })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    // Its four bytes could be four tokens; the whole is three, says who told all of it, and the others' parts of those are one each.
    expect(story.souk?.parts?.map(({ outputTokens }) => outputTokens)).toEqual([1, 1, 1])
    expect(story.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 3 })
  })

  it('as one text where nobody counts: 22 bytes are two tokens, wherever they were cut', async () => {
    const silent = (text: string) => ({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
    const story = await tell({
      nodes: [() => sse([silent('seventeen or so, ')], 'break'), says(silent('three'), end)],
      offers: [{}, { continues: true }],
    })
    // By themselves 17 bytes are two tokens, and five are one.
    expect(story.usage).toMatchObject({ prompt_tokens: 0, completion_tokens: 2, cost: '0.000000025' })
    expect(story.souk?.parts?.map(({ outputTokens }) => outputTokens)).toEqual([1, 1])
  })

  it('with the call rounded up once: a part of a nano is not paid twice', async () => {
    const price = aPrice({ inputPerMillion: nanos(0n), outputPerMillion: nanos(300_000n) })
    const story = await tell({ nodes: [broken, whole], offers: [{ price }, { price }] })
    // Three tokens of 0.3 nanos: 0.3 and 0.6 would be one each.
    expect(story.usage).toMatchObject({ completion_tokens: 3, cost: '0.000000001' })
  })

  it('of which the guard knows when the gateway vanishes in the second part', async () => {
    const told: Progress[] = []
    const liar: ScriptedNode = () => sse([token('one ', 90)], 'break')
    await tell({
      nodes: [liar, whole],
      options: {
        timeouts: { progressMs: 0 },
        guard: (account) => ({ progress: (report) => (told.push(report), account.progress(report)) }),
      },
    })
    expect(told[0]).toMatchObject({ attempt: 0, outputTokens: 4n })
    expect(told.at(-1)).toMatchObject({ outputTokens: 2n, before: [{ units: { outputTokens: 1n } }] })
  })
})

describe('an answer that can be repeated', () => {
  it('by its seed, which is sent where the caller gave none and told at the end', async () => {
    const story = await tell({ nodes: [broken, whole], offers: [SEEDED, SEEDED], body: { temperature: 1 } })
    expect(story.isWhole).toBe(true)
    const seeds = [0, 1].map((index) => bodyOf(story.house, index).seed)
    expect(seeds).toEqual([story.souk?.seed, story.souk?.seed])
    expect(typeof seeds[0]).toBe('number')
  })

  it('by the caller’s own seed, which is not told again', async () => {
    const story = await tell({ nodes: [broken, whole], offers: [SEEDED, SEEDED], body: { temperature: 1, seed: 7 } })
    expect([story.isWhole, bodyOf(story.house, 1).seed, story.souk?.seed]).toEqual([true, 7, undefined])
  })

  it('but not by a seed that one of them does not honour: that ends in an error, and nobody is asked in vain', async () => {
    const story = await tell({ nodes: [broken, whole], offers: [SEEDED, {}], body: { temperature: 1 } })
    await expectNothingCharged(story, 'provider_broke_off')
    expect(story.house.sent).toHaveLength(1)
  })

  it('with several choices, each where it was', async () => {
    const of = (index: number, content: string, reason: string | null = null) => ({
      choices: [{ index, delta: { content }, finish_reason: reason }],
      usage: { prompt_tokens: 5, completion_tokens: 2 },
    })
    const first: ScriptedNode = () => sse([of(1, 'b'), of(0, 'a')], 'break')
    const second = says(of(0, 'aA', 'stop'), of(1, 'b'), of(1, 'B', 'length'))
    const story = await tell({ nodes: [first, second], offers: [{}, { continues: true }], body: { n: 2 } })
    expect([story.words(0), story.words(1), story.isWhole]).toEqual(['aA', 'bB', true])
    expect(bodyOf(story.house, 1)).not.toHaveProperty('continue_final_message')
    const roles = story.chunks.flatMap(({ choices }) => choices.filter(({ delta }) => delta.role))
    expect(roles).toHaveLength(2)
  })

  it.each([
    ['says something else', says(token('ONE two', 2), finish(2))],
    ['stops before', says(token('on', 1), finish(1))],
    ['breaks off as well', () => sse([token('on', 1)], 'break')],
    ['is busy', () => Response.json({ error: { code: 'busy' } }, { status: 429 })],
  ] as [string, ScriptedNode][])('ends in an error event when the second node %s', async (_, second) => {
    const story = await tell({ nodes: [broken, second] })
    await expectNothingCharged(story, 'provider_broke_off')
    expect(story.words(0)).toBe('one ')
    expect(story.house.sent).toHaveLength(2)
  })

  it('goes to the third node when the second says something else, which marks nobody', async () => {
    const story = await tell({ nodes: [broken, says(token('ONE', 1), finish(1)), whole] })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    expect(story.house.reports[1]).toMatchObject({ outcome: 'provider_broke_off', fault: 'none' })
    expect(story.legs.map(([who]) => who)).toEqual(['payer', 'operator', 'rival', 'author', 'house'])
  })
})

describe('an answer that is continued', () => {
  const refuses: ScriptedNode = (request) =>
    (request.body as string).includes('continue_final_message')
      ? Response.json({ error: { code: 'bad_request' } }, { status: 400 })
      : whole(request)

  it('begins anew at a node that refuses to continue after all', async () => {
    const story = await tell({ nodes: [broken, refuses], offers: [{}, { continues: true }] })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    expect(story.house.sent).toHaveLength(3)
    expect(story.legs).toHaveLength(5)
  })

  it('ends in an error when it cannot begin anew there either', async () => {
    const story = await tell({
      ...{ nodes: [broken, refuses], offers: [{}, { continues: true }], body: { temperature: 1 } },
    })
    await expectNothingCharged(story, 'provider_broke_off')
    expect(story.house.sent).toHaveLength(2)
  })

  it('is told once where the node says the delivered text again', async () => {
    const story = await tell({ nodes: [broken, whole], offers: [{}, { continues: true }], body: { temperature: 1 } })
    expect([story.words(0), story.isWhole]).toEqual(['one two three', true])
    expect(story.souk?.parts?.map(({ characters }) => characters)).toEqual([4, 9])
  })

  it('is never asked of another model', async () => {
    const story = await tell({ nodes: [broken], body: { temperature: 1 } })
    await expectNothingCharged(story, 'provider_broke_off')
  })
})

describe('a caller who does not stream', () => {
  it('gets the second node’s answer alone, and pays nothing for the broken one', async () => {
    const house = await aHouse({ nodes: [broken, whole] })
    const order = [nodeIdOf(0), nodeIdOf(1)]
    const { response } = await house.call(CHAT, chat({ provider: { order } }))
    const body = await response.json<{ usage: { cost: string }; souk: { parts?: unknown } }>()
    expect([body.usage.cost, body.souk.parts]).toEqual(['0.000000080', undefined])
  })
})

describe('in the second part', () => {
  it('a caller who leaves pays what both delivered', async () => {
    const house = await aHouse({
      nodes: [broken, () => sse([token('one ', 1), token('two ', 2)], 'hang')],
      offers: [{}, { ...DEAR, operatorAccountId: RIVAL }],
    })
    const caller = new AbortController()
    const order = [nodeIdOf(0), nodeIdOf(1)]
    const { response, settled } = await house.call(CHAT, chat({ stream: true, provider: { order } }), {
      signal: caller.signal,
    })
    const reader = response.body?.getReader()
    for (let text = ''; !text.includes('two');) text += new TextDecoder().decode((await reader?.read())?.value)
    caller.abort()
    await settled()
    // 1 at 10, then 5 in at 20 and 1 out at 15.
    expect(START - (await house.account.balance()).availableNanos).toBe(125n)
    expect(house.reports.map(({ outcome }) => outcome)).toEqual(['provider_broke_off', 'cancelled'])
  })

  it('a caller who leaves before it has brought anything pays the first node’s, without the input', async () => {
    const house = await aHouse({ nodes: [broken, () => sse([token('on', 1)], 'hang')] })
    const caller = new AbortController()
    const order = [nodeIdOf(0), nodeIdOf(1)]
    const { response, settled } = await house.call(CHAT, chat({ stream: true, provider: { order } }), {
      signal: caller.signal,
    })
    await response.body?.getReader().read()
    await vi.waitFor(() => expect(house.sent).toHaveLength(2))
    caller.abort()
    await settled()
    expect(START - (await house.account.balance()).availableNanos).toBe(10n)
    const [line] = (await house.account.lines(0, 10)).filter(({ body }) => body.includes('"cancelled"'))
    expect(legsOf(line?.body ?? '').slice(0, 2)).toEqual([
      ['payer', 'payer', -10],
      ['operator', 'operator', 10, nodeIdOf(0)],
    ])
  })

  it('the guard is told of both, in case this gateway vanishes', async () => {
    const told: Progress[] = []
    const story = await tell({
      nodes: [broken, whole],
      options: {
        timeouts: { progressMs: 0 },
        guard: (account) => ({ progress: (report) => (told.push(report), account.progress(report)) }),
      },
    })
    expect(story.isWhole).toBe(true)
    expect(told[0]).toMatchObject({ attempt: 0, inputTokens: 5n, outputTokens: 1n })
    expect(told[0]?.before).toBeUndefined()
    expect(told.at(-1)).toMatchObject({
      ...{ attempt: 1, nodeId: nodeIdOf(1), inputTokens: 5n, outputTokens: 2n },
      before: [{ nodeId: nodeIdOf(0), units: { inputTokens: 0n, outputTokens: 1n }, terms: { operator: OPERATOR } }],
    })
  })
})
