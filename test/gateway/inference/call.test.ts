import { describe, expect, it } from 'vitest'
import { aHouse, chat, finish, honest, nodeIdOf, sse, token, type ScriptedNode } from './call-house.ts'

const START = 1_000_000_000n
/** 5 input and 2 output tokens at 10 nanos each */
const HONEST_COST = 70n

interface Body {
  error?: { code: string; param: string | null }
  choices?: { message: { content: string }; finish_reason: string }[]
  usage?: { prompt_tokens: number; completion_tokens: number; cost: string }
}

const jsonOf = (response: Response) => response.json<Body>()
const spent = async (house: Awaited<ReturnType<typeof aHouse>>) =>
  START - (await house.account.balance()).availableNanos

async function expectNothingCharged(house: Awaited<ReturnType<typeof aHouse>>) {
  expect(await house.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
}

describe('a complete answer', () => {
  it('is charged to the nano, and says so', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    expect(await jsonOf(response)).toMatchObject({
      choices: [{ message: { content: 'one two' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 2, cost: '0.000000070' },
    })
    expect(await spent(house)).toBe(HONEST_COST)
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(0))
    expect(response.headers.get('x-souk-call-id')).toMatch(/^call_/)
    expect(response.headers.get('server-timing')).toMatch(/^gateway;dur=/)
  })

  it('streams the same, with the cost in the finish chunk and [DONE] last', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const text = await response.text()
    await settled()
    expect(text).toContain('"cost":"0.000000070"')
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(await spent(house)).toBe(HONEST_COST)
  })

  it('puts usage into the chunk without choices, and only there, for who asked for it', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response } = await house.call(
      '/v1/chat/completions',
      chat({ stream: true, stream_options: { include_usage: true } }),
    )
    const withUsage = (await response.text()).split('\n\n').filter((event) => event.includes('"usage"'))
    expect(withUsage).toHaveLength(1)
    expect(withUsage[0]).toContain('"choices":[]')
  })

  it('is explained afterwards, to its own account alone', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { response } = await house.call('/v1/chat/completions', chat())
    const id = response.headers.get('x-souk-call-id') ?? ''
    const found = await (
      await house.get(`/v1/generation?id=${id}`)
    ).json<{ data: { usage: { cost: string }; legs: { amount: string }[] } }>()
    expect(found.data.usage.cost).toBe('0.000000070')
    expect(found.data.legs.reduce((sum, leg) => sum + Math.round(Number(leg.amount) * 1e9), 0)).toBe(0)
    const stranger = await aHouse({ nodes: [honest] })
    expect((await stranger.get(`/v1/generation?id=${id}`)).status).toBe(404)
  })

  it('ends at once when the node says it made more than was ordered', async () => {
    const house = await aHouse({ nodes: [() => sse([token('a'.repeat(500), 500), finish(500), '[DONE]'], 'hang')] })
    const { response } = await house.call('/v1/chat/completions', chat({ max_tokens: 10 }))
    expect(await jsonOf(response)).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      usage: { completion_tokens: 10 },
    })
    expect(await spent(house)).toBe(150n)
  })

  it('is never charged above the hold, whatever the node claims', async () => {
    const claim = { prompt_tokens: 1e9, completion_tokens: 1e9 }
    const house = await aHouse({
      nodes: [() => sse([{ ...token('abc', 1), usage: claim }, { ...finish(1), usage: claim }, '[DONE]'])],
    })
    const { response } = await house.call('/v1/chat/completions', chat({ max_tokens: 10 }))
    const hold = response.headers.get('x-souk-hold') ?? ''
    expect((await jsonOf(response)).usage?.completion_tokens).toBe(3)
    expect(Number(await spent(house))).toBeLessThanOrEqual(Math.round(Number(hold) * 1e9))
  })
})

/** A draw that begins with the first of two equal offers. */
const firstFirst = (length: number) => new Uint8Array(length).fill(1)

describe('another node is asked while nothing has reached the caller', () => {
  const failing: [string, ScriptedNode, string][] = [
    ['refuses the connection', () => Promise.reject(new TypeError('refused')), 'provider_failed'],
    ['answers 500', () => new Response('<html>', { status: 500 }), 'provider_failed'],
    [
      'redirects',
      () => new Response(null, { status: 302, headers: { location: 'http://169.254.169.254/' } }),
      'provider_failed',
    ],
    ['is busy', () => Response.json({ error: { code: 'busy' } }, { status: 429 }), 'provider_busy'],
    ['sends garbage', () => sse(['{{{']), 'provider_failed'],
    ['breaks off before the first token', () => sse([], 'break'), 'provider_broke_off'],
    ['ends without an answer', () => sse([finish(0), '[DONE]']), 'provider_failed'],
    ['says nothing', () => sse([], 'hang'), 'provider_timeout'],
  ]
  it.each(failing)('when the first one %s', async (_, node, code) => {
    const house = await aHouse({
      nodes: [node, honest],
      timeouts: { firstTokenMs: 60, connectMs: 60 },
      random: firstFirst,
    })
    const { response } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const text = await response.text()
    expect(house.sent.map(({ endpoint }) => endpoint)).toEqual(['https://node-0', 'https://node-1'])
    expect(house.reports[0]?.outcome).toBe(code)
    expect(text).toContain('[DONE]')
    expect(await spent(house)).toBe(HONEST_COST)
  })

  it.each(failing)('and nothing is charged when the only one %s', async (_, node, code) => {
    const house = await aHouse({ nodes: [node], timeouts: { firstTokenMs: 60, connectMs: 60 } })
    const { response } = await house.call('/v1/chat/completions', chat({ stream: true }))
    expect((await jsonOf(response)).error?.code).toBe(code)
    expect(response.status).toBeGreaterThanOrEqual(429)
    await expectNothingCharged(house)
  })

  it('also when the first one says that an input is too long which fits whatever its tokens are', async () => {
    const liar: ScriptedNode = () => Response.json({ error: { code: 'context_length_exceeded' } }, { status: 400 })
    const house = await aHouse({ nodes: [liar, honest], random: firstFirst })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    expect(house.reports[0]).toMatchObject({ outcome: 'provider_failed', fault: 'node' })
  })

  it.each([
    ['refuses the ticket, which its operator is to read', 'bad_ticket', 401, true],
    ['has not loaded the model', 'model_not_loaded', 404, undefined],
  ])('also when the first one %s', async (_, code, status, hasRefusedTicket) => {
    const refuse: ScriptedNode = () => Response.json({ error: { code } }, { status })
    const house = await aHouse({ nodes: [refuse, honest], random: firstFirst })
    expect((await house.call('/v1/chat/completions', chat())).response.status).toBe(200)
    expect(house.reports[0]).toMatchObject({ outcome: 'provider_failed', fault: 'node' })
    expect(house.reports.map((report) => report.hasRefusedTicket)).toEqual([hasRefusedTicket, undefined])
  })

  it('but not when the request itself is at fault', async () => {
    const refuse: ScriptedNode = () => Response.json({ error: { code: 'context_length_exceeded' } }, { status: 400 })
    const house = await aHouse({ nodes: [refuse, refuse] })
    const { response } = await house.call(
      '/v1/chat/completions',
      chat({ messages: [{ role: 'user', content: 'x'.repeat(600) }] }),
    )
    expect(response.status).toBe(400)
    expect(house.sent).toHaveLength(1)
    expect(house.reports[0]).toMatchObject({ fault: 'caller' })
    await expectNothingCharged(house)
  })
})

describe('after the first token', () => {
  it.each([
    ['breaks off', sse.bind(null, [token('one ', 1)], 'break'), 'provider_broke_off'],
    ['ends without a finish', sse.bind(null, [token('one ', 1), '[DONE]']), 'provider_broke_off'],
    ['stalls', sse.bind(null, [token('one ', 1)], 'hang'), 'provider_timeout'],
    ['turns to garbage', sse.bind(null, [token('one ', 1), '{{{']), 'provider_failed'],
  ])('a node that %s ends in an error event, no [DONE] and no charge', async (_, node, code) => {
    const house = await aHouse({
      nodes: [() => node(), honest],
      offers: [{}, { breaker: 'open', breakerUntil: null }],
      timeouts: { gapMs: 60 },
    })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const text = await response.text()
    await settled()
    expect(text).toContain('one ')
    expect(text).toContain(`"code":"${code}"`)
    expect(text).not.toContain('[DONE]')
    await expectNothingCharged(house)
  })

  it('a caller who leaves pays what had arrived, and the node is told to stop', async () => {
    let nodeSignal: AbortSignal | undefined
    const endless: ScriptedNode = (request) => {
      nodeSignal = request.signal
      return sse([token('one ', 1)], 'hang')
    }
    const house = await aHouse({ nodes: [endless] })
    const caller = new AbortController()
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }), {
      signal: caller.signal,
    })
    const reader = response.body?.getReader()
    await reader?.read()
    caller.abort()
    await settled()
    expect(nodeSignal?.aborted).toBe(true)
    expect(await spent(house)).toBe(60n)
    expect((await house.account.balance()).heldNanos).toBe(0n)
    expect(house.reports[0]).toMatchObject({ outcome: 'cancelled', fault: 'caller' })
  })

  it('a caller who stops reading has left', async () => {
    const house = await aHouse({
      nodes: [
        () =>
          sse(
            Array.from({ length: 50 }, (_, i) => token('x'.repeat(9_000), i + 1)),
            'hang',
          ),
      ],
      timeouts: { callerStallMs: 50 },
    })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    await settled()
    expect((await house.account.balance()).heldNanos).toBe(0n)
    expect(await spent(house)).toBeGreaterThan(0n)
    await response.body?.cancel().catch(() => undefined)
  })
})

describe('refused before any node is asked', () => {
  const house = () => aHouse({ nodes: [honest] })
  it.each([
    ['an unknown model', chat({ model: 'no/such' }), 404, 'model_not_found', 'model'],
    ['a model of another shape', chat({ model: '../etc' }), 404, 'model_not_found', 'model'],
    ['malformed JSON', '{"model":', 400, 'invalid_json', null],
    ['a wrong type', chat({ messages: 'hi' }), 400, 'invalid_request', 'messages'],
    ['an unknown field', chat({ temprature: 1 }), 400, 'invalid_request', 'temprature'],
    ['a field we do not serve', chat({ tools: [] }), 400, 'unsupported_parameter', 'tools'],
    ['more choices than eight', chat({ n: 9 }), 400, 'invalid_request', 'n'],
    ['alternatives without log probabilities', chat({ top_logprobs: 2 }), 400, 'invalid_request', 'top_logprobs'],
    [
      'a JSON schema',
      chat({ response_format: { type: 'json_schema', json_schema: { name: 'a' } } }),
      400,
      'unsupported_parameter',
      'response_format',
    ],
  ])('%s', async (_, body, status, code, param) => {
    const h = await house()
    const { response } = await h.call('/v1/chat/completions', body)
    expect(response.status).toBe(status)
    expect((await jsonOf(response)).error).toMatchObject({ code, param })
    expect(h.sent).toHaveLength(0)
    await expectNothingCharged(h)
  })

  it('an embedding request for a chat model', async () => {
    const { response } = await (await house()).call('/v1/embeddings', { model: 'test/echo', input: 'x' })
    expect((await jsonOf(response)).error).toMatchObject({ code: 'unsupported_model_task', param: 'model' })
  })

  it('a call the balance cannot cover', async () => {
    const poor = await aHouse({ nodes: [honest], usd: '0' })
    const { response } = await poor.call('/v1/chat/completions', chat())
    expect(response.status).toBe(402)
    expect((await jsonOf(response)).error?.code).toBe('insufficient_funds')
    expect(poor.sent).toHaveLength(0)
  })

  it('a call nobody offers, at once, with a time to come back', async () => {
    const { response } = await (await aHouse({ nodes: [] })).call('/v1/chat/completions', chat())
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
  })
})
