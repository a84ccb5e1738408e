// The engine openai before servers that refuse, lie, break and hang: each is a clear refusal or an answer that breaks off, never a complete one.
import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EngineRefusal, type TextEngine } from '../../../../provider-node/engines/engine.ts'
import { aJob, answerOf } from '../../jobs.ts'
import {
  anOpenAiServer,
  CHAT,
  COMPLETIONS,
  DONE,
  events,
  json,
  say,
  sayText,
  used,
  type Reply,
  type ScriptedServer,
  until,
} from '../upstream/scripted-server.ts'
import { aTextEngine, type EngineOverrides } from './engine-builders.ts'

let server: ScriptedServer
let close: () => Promise<unknown>
beforeEach(async () => {
  server = await anOpenAiServer()
  close = () => Promise.resolve()
})
afterEach(async () => {
  await close()
  await server.close()
})

async function anEngine(overrides: EngineOverrides = {}) {
  const made = await aTextEngine(server, overrides)
  close = () => made.engine.close()
  return made
}

const refusalOf = (work: Promise<unknown>): Promise<EngineRefusal> =>
  work.then(
    () => Promise.reject(new Error('it was not refused')),
    (cause: unknown) => (cause instanceof EngineRefusal ? cause : Promise.reject(new Error(String(cause)))),
  )

/** The text until it broke off, how the run ended, and the failure. */
async function brokenOf(engine: TextEngine, signal = new AbortController().signal) {
  const run = await engine.start(aJob('hello'), signal)
  let text = ''
  const failure = await (async () => {
    for await (const step of run.steps) {
      text += step.text
      if (step.finishReason) return `ended ${step.finishReason}`
    }
    return 'ended'
  })().catch((cause: unknown) => (cause instanceof EngineRefusal ? cause.code : String(cause)))
  return { text, failure, ...(await run.ended) }
}

const error = (status: number, fields: object, headers = {}): Reply => json({ error: fields }, status, headers)
const sentence = (status: number, message: string): Reply =>
  error(status, { message, type: 'BadRequestError', code: status })

describe('errors of a server', () => {
  const secret = 'my secret prompt'
  const tooLong = 'context_length_exceeded'
  const cases: readonly [string, Reply, string][] = [
    ['OpenAI: too long', error(400, { code: 'context_length_exceeded', message: secret }), tooLong],
    ['Azure: filtered', error(400, { code: 'content_filter', message: secret }), 'content_filter'],
    ['OpenAI: filtered', error(400, { type: 'content_policy_violation', message: secret }), 'content_filter'],
    ['llama.cpp: too long', error(400, { code: 400, type: 'exceed_context_size_error', message: secret }), tooLong],
    [
      'vLLM: too long',
      sentence(400, "This model's maximum context length is 512 tokens. However, your request has 600 input tokens."),
      tooLong,
    ],
    [
      'SGLang: too long',
      json(
        {
          object: 'error',
          message: "The input (9 tokens) is longer than the model's context length (4 tokens).",
          code: 400,
        },
        400,
      ),
      tooLong,
    ],
    ['Ollama: too long', json({ error: 'the input length exceeds the context length' }, 500), tooLong],
    [
      'LM Studio: too long',
      json({ error: 'Trying to keep the first 9 tokens when context the overflows.' }, 400),
      tooLong,
    ],
    [
      'TGI: too long',
      json(
        {
          error: '`inputs` tokens + `max_new_tokens` must be <= 4. Given: 9 `inputs` tokens',
          error_type: 'validation',
        },
        422,
      ),
      tooLong,
    ],
    ['OpenVINO: too long', json({ error: 'Number of prompt tokens: 9 exceeds model max length: 4' }, 400), tooLong],
    ['a field by name', error(400, { param: 'response_format.type', message: secret }), 'unsupported_parameter'],
    ['a field in a sentence', sentence(400, "'top_k' is not supported"), 'unsupported_parameter'],
    ['extra fields', sentence(422, 'min_p: Extra inputs are not permitted'), 'unsupported_parameter'],
    ['n in quotes', sentence(400, 'Only one completion choice is allowed ("n")'), 'unsupported_parameter'],
    ['a letter n in a sentence', sentence(400, 'only roles a or n are supported'), 'bad_request'],
    ['another refusal', sentence(400, secret), 'bad_request'],
    ['a refusal without JSON', (response) => void response.writeHead(400).end(secret), 'bad_request'],
    ['too large', (response) => void response.writeHead(413).end(), 'bad_request'],
    ['busy', error(429, { message: secret }), 'busy'],
    ['no room', error(503, { message: secret }), 'busy'],
    ['broken', error(500, { message: secret }), 'internal'],
    ['a gateway before it', (response) => void response.writeHead(502).end('<html>'), 'internal'],
    ['an odd status', (response) => void response.writeHead(204).end(), 'internal'],
    [
      'an error in the stream',
      events({ error: { code: 400, message: "'seed' is not supported" } }),
      'unsupported_parameter',
    ],
    ['a failure in the stream', events({ error: { message: secret } }), 'internal'],
  ]
  it.each(cases)('%s: %s', async (_, reply, code) => {
    server.on(CHAT, reply)
    const { engine, observer } = await anEngine()
    const refusal = await refusalOf(answerOf(engine, aJob(secret)))
    expect(refusal.code).toBe(code)
    expect(JSON.stringify([refusal.message, refusal.options, observer.warnings])).not.toContain(secret)
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  const waits: readonly [string | undefined, number][] = [
    [undefined, 1],
    ['0', 1],
    ['7', 7],
    ['60', 60],
    ['61', 60],
    ['99999999999', 1],
    ['soon', 1],
    ['-5', 1],
    ['Thu, 01 Jan 1970 00:00:20 GMT', 20],
    ['Thu, 01 Jan 2099 00:00:00 GMT', 60],
  ]
  it.each(waits)('sends callers away for as long as it says (%s): %d s', async (header, seconds) => {
    server.on(CHAT, error(429, {}, header === undefined ? {} : { 'retry-after': header }))
    const { engine } = await anEngine({ options: { now: () => 0 } })
    expect((await refusalOf(answerOf(engine, aJob('hello')))).options?.retryAfterSeconds).toBe(seconds)
  })

  const mends: readonly [number, string][] = [
    [401, 'upstream_refuses_key'],
    [403, 'upstream_refuses_key'],
    [404, 'upstream_lacks_model'],
    [405, 'upstream_lacks_path'],
    [302, 'upstream_redirects'],
    [308, 'upstream_redirects'],
  ]
  it.each(mends)('tells the operator once what to mend (%d), and again after it had worked', async (status, event) => {
    const refuse: Reply = (response) => void response.writeHead(status, { location: `${server.url}/elsewhere` }).end()
    const { engine, observer } = await anEngine()
    server.on(CHAT, refuse)
    for (let call = 0; call < 3; call++)
      expect((await refusalOf(answerOf(engine, aJob('hello')))).code).toBe('internal')
    expect(observer.warnings.map((warning) => warning.event)).toEqual([event])
    expect(observer.warnings[0]?.fields).toMatchObject({ model: 'somebody/model', hint: expect.any(String) })
    server.on(CHAT, events(say('a', 'stop'), DONE))
    await answerOf(engine, aJob('hello'))
    server.on(CHAT, refuse)
    await refusalOf(answerOf(engine, aJob('hello')))
    expect(observer.warnings).toHaveLength(2)
    expect(server.asked.some(({ path }) => path === '/elsewhere')).toBe(false)
  })
})

describe('more tokens asked for than fit', () => {
  /** Refuses what does not fit behind a prompt of 100 tokens in a context of 512. */
  const strict =
    (say512: (asked: number) => string, answer: Reply): Reply =>
    (response, asked, request) => {
      const most = asked.json?.max_tokens
      if (typeof most !== 'number' || most <= 412) return answer(response, asked, request)
      return sentence(400, say512(most))(response, asked, request)
    }
  const older = (asked: number) =>
    `This model's maximum context length is 512 tokens. However, you requested ${100 + asked} tokens (100 in the messages, ${asked} in the completion).`
  const newer = (asked: number) =>
    `You passed ${513 - asked} input tokens and requested ${asked} output tokens. However, the model's context length is only 512 tokens.`
  const answer = events(say('a', 'stop'), DONE)

  it('are cut to what the server says, as with our own models', async () => {
    server.on(CHAT, strict(older, answer))
    const { engine } = await anEngine({ manifest: { contextTokens: 512 } })
    expect((await answerOf(engine, aJob('hello', { outputTokensMax: 500 }))).text).toBe('a')
    expect(server.askedFor(CHAT).map((asked) => asked.json?.max_tokens)).toEqual([500, undefined])
  })

  it('are halved where the server only says that it is too many', async () => {
    server.on(COMPLETIONS, strict(newer, events(sayText('a', 'stop'), DONE)))
    const { engine } = await anEngine()
    const job = aJob('', { prompt: { kind: 'text', text: 'hello' }, outputTokensMax: 500 })
    expect((await answerOf(engine, job)).text).toBe('a')
    expect(server.askedFor(COMPLETIONS).map((asked) => asked.json?.max_tokens)).toEqual([500, 250])
  })

  it('are refused after four tries, and at once when nothing fits', async () => {
    server.on(COMPLETIONS, sentence(400, newer(500)))
    const { engine } = await anEngine()
    const job = aJob('', { prompt: { kind: 'text', text: 'hello' }, outputTokensMax: 500 })
    expect((await refusalOf(answerOf(engine, job))).code).toBe('context_length_exceeded')
    expect(server.askedFor(COMPLETIONS)).toHaveLength(4)
    server.on(
      CHAT,
      sentence(400, "This model's maximum context length is 512 tokens and your request has 600 input tokens"),
    )
    expect((await refusalOf(answerOf(engine, aJob('hello')))).code).toBe('context_length_exceeded')
    expect(server.askedFor(CHAT)).toHaveLength(1)
  })
})

describe('answers that break', () => {
  const cases: readonly [string, Reply, string][] = [
    ['a cut connection', events(say('Hel'), 30, 'cut'), 'Hel'],
    ['a body that ends too early', events(say('Hel'), 30), 'Hel'],
    ['[DONE] before the end of a choice', events(say('Hel'), 30, DONE), 'Hel'],
    ['no JSON', events(say('Hel'), 30, '{"choices":[{'), 'Hel'],
    ['another JSON', events(say('Hel'), 30, { hello: 1 }), 'Hel'],
    ['a choice that was not ordered', events(say('Hel'), 30, say('x', null, 1)), 'Hel'],
    ['an error in the middle', events(say('Hel'), 30, { error: { message: 'x' } }), 'Hel'],
    ['a huge event', events(say('Hel'), 30, say('x'.repeat(262_145))), 'Hel'],
    ['text that is no text', events(say('Hel'), 30, { choices: [{ index: 0, delta: { content: 5 } }] }), 'Hel'],
    ['silence between two pieces', events(say('Hel'), 10_000, say('lo', 'stop'), DONE), 'Hel'],
  ]
  it.each(cases)('%s: the text until then, and no end', async (_, reply, text) => {
    server.on(CHAT, reply)
    const { engine } = await anEngine({ limits: { gapMs: 200 } })
    expect(await brokenOf(engine)).toMatchObject({ text, failure: 'internal', outcome: 'failed', texts: [text] })
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('an answer that ignores max_tokens is ended', async () => {
    const reply: Reply = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      while (!response.destroyed) {
        response.write(`data: ${JSON.stringify(say('x'.repeat(10_000)))}\n\n`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    server.on(CHAT, reply)
    const { engine, observer } = await anEngine()
    expect(await brokenOf(engine)).toMatchObject({ outcome: 'failed', outputTokens: 6 })
    expect(observer.warnings).toMatchObject([{ event: 'upstream_talks_nonsense', fields: { what: 'answer' } }])
  })

  const early: readonly [string, Reply][] = [
    ['no stream', json(say('a', 'stop'))],
    ['an end without a beginning', events(DONE)],
    [
      'a body without an end of line',
      (response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('x'.repeat(300_000)),
    ],
    ['a connection that is closed at once', (response) => void response.destroy()],
    ['no head at all', () => {}],
    [
      'a head and nothing else',
      (response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    ],
    ['comments for ever', events(...Array.from({ length: 100 }, () => 20))],
    ['a role and nothing else', events({ choices: [{ index: 0, delta: { role: 'assistant' } }] }, 10_000)],
  ]
  it.each(early)('%s is refused before anything was given', async (_, reply) => {
    server.on(CHAT, reply)
    const { engine } = await anEngine({ limits: { firstOutputMs: 300, begunMs: 5_000 } })
    expect((await refusalOf(answerOf(engine, aJob('hello')))).code).toBe('internal')
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('waits longer for the first output of a longer input', async () => {
    server.on(CHAT, events(400, say('a', 'stop'), DONE))
    const { engine } = await anEngine({ limits: { firstOutputMs: 200, firstOutputMsPerToken: 100, begunMs: 30_000 } })
    expect((await refusalOf(answerOf(engine, aJob('x')))).code).toBe('internal')
    expect((await answerOf(engine, aJob('x'.repeat(400)))).text).toBe('a')
  })

  it('counts as begun when the server takes its time, and fails later', async () => {
    server.on(CHAT, events(300, { error: { code: 400, message: 'x' } }))
    const { engine } = await anEngine({ limits: { begunMs: 50 } })
    expect(await brokenOf(engine)).toMatchObject({ text: '', failure: 'bad_request', outcome: 'failed' })
  })

  it('refuses an answer that is no HTTP', async () => {
    const { engine } = await anEngine()
    await server.down()
    const strange = net.createServer((socket) => void socket.resume().end('SSH-2.0-OpenSSH\r\n'))
    await new Promise<void>((resolve) => strange.listen(Number(new URL(server.url).port), '127.0.0.1', resolve))
    expect((await refusalOf(answerOf(engine, aJob('hello')))).code).toBe('internal')
    await new Promise((resolve) => strange.close(resolve))
    await server.up()
  })
})

describe('callers who leave', () => {
  it('end the request there within a second, and nothing is drained', async () => {
    server.on(CHAT, events(say('a'), say('b'), 10_000, say('c', 'stop'), used(5, 3), DONE))
    const { engine } = await anEngine()
    const caller = new AbortController()
    const run = await engine.start(aJob('hello'), caller.signal)
    const [first] = [await run.steps[Symbol.asyncIterator]().next()]
    expect(first.done).toBe(false)
    const leftAt = Date.now()
    caller.abort()
    expect(await run.ended).toMatchObject({ outcome: 'cancelled', texts: ['ab'], outputTokens: 2, tokensAfterAbort: 0 })
    await until(() => server.askedFor(CHAT)[0]?.hungUpAt ?? null).not.toBeNull()
    expect((server.askedFor(CHAT)[0]?.hungUpAt ?? Infinity) - leftAt).toBeLessThan(1_000)
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('are gone before the head came, too', async () => {
    server.on(CHAT, () => {})
    const { engine } = await anEngine()
    const caller = new AbortController()
    const refused = refusalOf(engine.start(aJob('hello'), caller.signal))
    await until(() => server.askedFor(CHAT).length).toBe(1)
    caller.abort()
    expect((await refused).code).toBe('internal')
    await until(() => server.askedFor(CHAT)[0]?.hungUpAt ?? null).not.toBeNull()
  })

  it('and who left before cost nothing', async () => {
    const { engine } = await anEngine()
    await refusalOf(engine.start(aJob('hello'), AbortSignal.abort()))
    expect(server.askedFor(CHAT)).toHaveLength(0)
  })

  it('leave no listener behind', async () => {
    server.on(CHAT, events(say('a', 'stop'), DONE))
    const { engine } = await anEngine()
    let listeners = 0
    const signal = new AbortController().signal
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...given: Parameters<typeof add>) => (listeners++, add(...given))
    signal.removeEventListener = (...given: Parameters<typeof remove>) => (listeners--, remove(...given))
    for (let call = 0; call < 5; call++) {
      const run = await engine.start(aJob('hello'), signal)
      await run.ended
    }
    await until(() => listeners).toBe(0)
  })
})
