// The engine openai before a server that behaves: what is sent, what comes back, and how it is counted.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TextStep } from '../../../../provider-node/engines/engine.ts'
import type { TextEngine, TextJob } from '../../../../provider-node/engines/engine.ts'
import { aJob, answerOf } from '../../jobs.ts'
import {
  anOpenAiServer,
  CHAT,
  COMPLETIONS,
  DONE,
  events,
  json,
  modelList,
  MODELS,
  say,
  sayText,
  used,
  type ScriptedServer,
  until,
} from '../upstream/scripted-server.ts'
import { aTextEngine, type EngineOverrides } from './engine-builders.ts'

let server: ScriptedServer
const engines: TextEngine[] = []
beforeEach(async () => {
  server = await anOpenAiServer()
})
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  await server.close()
})

async function anEngine(overrides: EngineOverrides = {}): Promise<TextEngine> {
  const { engine } = await aTextEngine(server, overrides)
  engines.push(engine)
  return engine
}

async function stepsOf(engine: TextEngine, job: TextJob): Promise<{ steps: TextStep[]; inputTokens: number }> {
  const run = await engine.start(job, new AbortController().signal)
  const steps: TextStep[] = []
  for await (const step of run.steps) steps.push(step)
  return { steps, inputTokens: run.inputTokens }
}

const sent = (route = CHAT) => server.askedFor(route).at(-1)?.json

describe('what is asked of the server', () => {
  beforeEach(() => server.on(CHAT, events(say('hi', 'stop'), used(3, 1), DONE)))

  it('says everything that decides an answer, and always streams', async () => {
    await answerOf(await anEngine(), aJob('hello', { outputTokensMax: 7 }))
    expect(sent()).toEqual({
      model: 'upstream-model',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 7,
      temperature: 0,
      top_p: 1,
      top_k: -1,
      min_p: 0,
      repetition_penalty: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      seed: 1,
    })
  })

  it('passes on what a caller asks for', async () => {
    const job = aJob('hello', {
      temperature: 0.7,
      topP: 0.9,
      topK: 5,
      seed: -1,
      stop: ['END'],
      logprobs: 0,
      isJson: true,
    })
    server.on(CHAT, events(say('hi', 'stop', 0, { logprobs: { content: [{ token: 'hi', logprob: -1 }] } }), DONE))
    await answerOf(await anEngine(), job)
    expect(sent()).toMatchObject({
      temperature: 0.7,
      top_p: 0.9,
      top_k: 5,
      seed: 2 ** 31 - 2,
      stop: ['END'],
      logprobs: true,
      top_logprobs: 1,
      response_format: { type: 'json_object' },
    })
  })

  it('sends the key as a bearer token, and none without one', async () => {
    await answerOf(await anEngine(), aJob('hello'))
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
    const upstream = { url: server.url, model: 'upstream-model', apiKey: 'sk-canary\n' }
    await answerOf(await anEngine({ options: { upstream } }), aJob('hello'))
    expect(server.asked.slice(2).map(({ headers }) => headers.authorization)).toEqual(Array(2).fill('Bearer sk-canary'))
  })

  it.each(['', '/', '/v1', '/v1/'])('takes the address with or without /v1: "%s"', async (end) => {
    const upstream = { url: `${server.url}${end}`, model: 'upstream-model', apiKey: null }
    expect((await answerOf(await anEngine({ options: { upstream } }), aJob('hello'))).text).toBe('hi')
  })

  it('gives plain text to /v1/completions, with the delivered beginning behind it', async () => {
    server.on(COMPLETIONS, events(sayText('c', 'stop'), used(3, 1), DONE))
    const job = aJob('', { prompt: { kind: 'text', text: 'a' }, prefix: 'b' })
    expect((await answerOf(await anEngine(), job)).text).toBe('c')
    expect(sent(COMPLETIONS)).toMatchObject({ prompt: 'ab', stream: true })
  })
})

describe('what a server is known to take', () => {
  const cases: readonly [string, Partial<TextJob>, readonly string[]][] = [
    ['a continuation', { prefix: 'he' }, ['vllm', 'sglang', 'llamacpp']],
    ['top_k', { topK: 3 }, ['vllm', 'sglang', 'llamacpp', 'organization_owner', 'OVMS']],
    ['n', { choices: 2 }, ['vllm', 'sglang', 'llamacpp', 'OVMS', 'somebody']],
    ['response_format', { isJson: true }, ['vllm', 'sglang', 'llamacpp', 'OVMS', 'somebody', 'library']],
  ]
  const owners = ['vllm', 'sglang', 'llamacpp', 'organization_owner', 'OVMS', 'somebody', 'library']
  it.each(cases)('passes on %s there, and refuses it by name elsewhere', async (what, asked, takers) => {
    for (const owner of owners) {
      server.on(MODELS, modelList(owner, 'upstream-model'))
      server.on('GET /api/version', owner === 'library' ? json({ version: '0.12.0' }) : json({}, 404))
      server.on(CHAT, events(say('x', 'stop'), say('y', 'stop', 1), DONE))
      const outcome = await anEngine()
        .then((engine) => answerOf(engine, aJob('hello', asked)))
        .then(
          () => 'taken',
          (refusal: { code?: string; message?: string }) => `${refusal.code}: ${refusal.message}`,
        )
      expect([owner, outcome]).toEqual([
        owner,
        takers.includes(owner) ? 'taken' : `unsupported_parameter: The server behind this model does not take ${what}.`,
      ])
    }
  })

  it('continues a chat from its delivered beginning', async () => {
    server.on(CHAT, events(say('llo', 'stop'), used(3, 1), DONE))
    expect((await answerOf(await anEngine(), aJob('greet', { prefix: 'he' }))).text).toBe('llo')
    expect(sent()).toMatchObject({
      messages: [
        { role: 'user', content: 'greet' },
        { role: 'assistant', content: 'he' },
      ],
      continue_final_message: true,
      add_generation_prompt: false,
      echo: false,
    })
  })

  it('refuses log probabilities when the answer comes without them', async () => {
    server.on(CHAT, events(say('hi', 'stop'), DONE))
    await expect(answerOf(await anEngine(), aJob('hello', { logprobs: 2 }))).rejects.toMatchObject({
      code: 'unsupported_parameter',
    })
  })
})

describe('how an answer is read', () => {
  it('gives pieces as they come, and the end with the last count', async () => {
    server.on(CHAT, events(say(''), say('Hel'), 20, say('lo'), 20, say('', 'stop'), used(12, 5), DONE))
    const { steps, inputTokens } = await stepsOf(await anEngine(), aJob('hello'))
    expect(steps.map(({ text, finishReason }) => [text, finishReason])).toEqual([
      ['Hel', null],
      ['lo', null],
      ['', 'stop'],
    ])
    expect([steps.at(-1)?.outputTokens, inputTokens]).toEqual([5, 12])
  })

  const counts: readonly [string, readonly (object | string)[], number][] = [
    ['the pieces when the server gives no usage', [say('a'), say('b'), say('c', 'stop'), DONE], 3],
    ['the usage of the last event', [say('abcdef'), say('ghi', 'length'), used(3, 7), DONE], 7],
    [
      'what follows a usage in the middle',
      [{ ...say('abcdef'), ...used(3, 4), choices: say('abcdef').choices }, say('g', 'stop'), DONE],
      5,
    ],
    ['no more than the text has bytes', [say('abc', 'stop'), used(3, 500), DONE], 3],
    ['no more than was ordered', [say('x'.repeat(40), 'stop'), used(3, 40), DONE], 16],
    ['pieces when the usage says none', [say('a'), say('b', 'stop'), used(3, 0), DONE], 2],
    [
      'pieces when the usage is no number',
      [say('a', 'stop'), { choices: [], usage: { completion_tokens: 'many', prompt_tokens: -1 } }, DONE],
      1,
    ],
    ['nothing for no text', [say('', 'stop'), used(3, 9), DONE], 0],
  ]
  it.each(counts)('counts %s', async (_, said, expected) => {
    server.on(CHAT, events(...said))
    const { outputTokens } = await answerOf(await anEngine(), aJob('hello', { outputTokensMax: 16 }))
    expect(outputTokens).toBe(expected)
  })

  it('estimates the input until the server has counted it, and never above the context', async () => {
    server.on(CHAT, events(say('a', 'stop'), DONE))
    const templateTokens = { fixed: 3, perMessage: 2 }
    const engine = await anEngine({ manifest: { templateTokens } })
    expect((await stepsOf(engine, aJob('12345678'))).inputTokens).toBe(2 + 3 + 2)
    server.on(CHAT, events(say('a', 'stop'), used(99_999, 1), DONE))
    expect((await stepsOf(engine, aJob('12345678'))).inputTokens).toBe(4_096)
  })

  it('joins halves of characters, and leaves out one that never becomes whole', async () => {
    server.on(CHAT, events(say('a\ud83d'), say('\ude00b'), say('\ud83d', 'stop'), DONE))
    const { steps } = await stepsOf(await anEngine(), aJob('hello'))
    const texts = steps.map(({ text }) => text)
    expect(texts.join('')).toBe('a😀b')
    for (const text of texts) expect(text).not.toMatch(/\p{Surrogate}|\ufffd/u)
  })

  it('reads characters that are cut between packets', async () => {
    const bytes = Buffer.from(`data: ${JSON.stringify(say('größe 😀', 'stop'))}\n\ndata: [DONE]\n\n`)
    server.on(CHAT, async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const byte of bytes) {
        response.write(Buffer.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      response.end()
    })
    expect((await answerOf(await anEngine(), aJob('hello'))).text).toBe('größe 😀')
  })

  it('ends at a stop sequence that the server lets through, and hangs up', async () => {
    server.on(CHAT, events(say('one EN'), say('D two'), 5_000, say('three', 'stop'), DONE))
    const answer = await answerOf(await anEngine(), aJob('hello', { stop: ['END'] }))
    expect([answer.text, answer.finishReason, answer.outcome]).toEqual(['one ', 'stop', 'complete'])
    await until(() => server.askedFor(CHAT)[0]?.hungUpAt).not.toBeNull()
  })

  it('keeps choices apart, and ends when all have ended', async () => {
    server.on(CHAT, events(say('a', null, 1), say('b'), say('', 'stop', 1), say('c', 'length'), used(3, 3), DONE))
    const { steps } = await stepsOf(await anEngine(), aJob('hello', { choices: 2 }))
    const of = (choice: number) => steps.filter((step) => step.choice === choice)
    expect(
      [0, 1].map((choice) =>
        of(choice)
          .map(({ text }) => text)
          .join(''),
      ),
    ).toEqual(['bc', 'a'])
    expect([0, 1].map((choice) => of(choice).at(-1)?.finishReason)).toEqual(['length', 'stop'])
  })

  const finishes = [
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['eos_token', 'stop'],
    ['stop_sequence', 'stop'],
  ]
  it.each(finishes)('takes the end "%s" for %s', async (said, meant) => {
    server.on(CHAT, events(say('a', said), DONE))
    expect((await answerOf(await anEngine(), aJob('hello'))).finishReason).toBe(meant)
  })

  it.each(['tool_calls', 'function_call', 'abort', 'error', 'constructor', ''])(
    'takes the end "%s" for none',
    async (said) => {
      server.on(CHAT, events(say('a', said), DONE))
      await expect(answerOf(await anEngine(), aJob('hello'))).rejects.toMatchObject({ code: 'internal' })
    },
  )

  it('is complete without a usage and without [DONE] when every choice has ended', async () => {
    server.on(CHAT, events(say('a', 'stop')))
    expect((await answerOf(await anEngine(), aJob('hello'))).outcome).toBe('complete')
    server.on(CHAT, events(say('a', 'stop'), 20, 'cut'))
    expect((await answerOf(await anEngine(), aJob('hello'))).outcome).toBe('complete')
    server.on(CHAT, events(say('a', 'stop'), 5_000, DONE))
    expect((await answerOf(await anEngine({ limits: { trailerMs: 50 } }), aJob('hello'))).outcome).toBe('complete')
  })
})

describe('log probabilities', () => {
  const entry = (token: string, logprob: number | null, top: object[] = []) => ({ token, logprob, top_logprobs: top })

  it('come with the text they belong to, as many alternatives as asked for', async () => {
    const top = [entry('Hi', -0.1), entry('Ho', -2), entry('He', null)].map(({ token, logprob }) => ({
      token,
      logprob,
    }))
    const content = [entry('Hi', -0.1, top)]
    server.on(
      CHAT,
      events(
        say('Hi', null, 0, { logprobs: { content } }),
        20,
        say('!', 'stop', 0, { logprobs: { content: [entry('!', -1)] } }),
        DONE,
      ),
    )
    const { steps } = await stepsOf(await anEngine(), aJob('hello', { logprobs: 2 }))
    expect(steps[0]).toMatchObject({
      text: 'Hi',
      logprobs: [
        {
          token: 'Hi',
          logprob: -0.1,
          bytes: [72, 105],
          top_logprobs: [
            { token: 'Hi', logprob: -0.1, bytes: [72, 105] },
            { token: 'Ho', logprob: -2, bytes: [72, 111] },
          ],
        },
      ],
    })
    expect(steps.flatMap(({ logprobs }) => logprobs).map(({ token }) => token)).toEqual(['Hi', '!'])
  })

  it('are counted where one piece holds several tokens', async () => {
    const content = [entry('a', -1), entry('b', -1), entry('c', -1)]
    server.on(CHAT, events(say('abc', 'stop', 0, { logprobs: { content } }), DONE))
    expect((await answerOf(await anEngine(), aJob('hello', { logprobs: 0 }))).outputTokens).toBe(3)
  })

  it('are read in the form of completions too, and hold no bytes of half a character', async () => {
    const logprobs = { tokens: ['a', '\ufffd'], token_logprobs: [-0.5, null], top_logprobs: [{ a: -0.5, b: -1 }, null] }
    server.on(COMPLETIONS, events(sayText('a', 'stop', 0, { logprobs }), DONE))
    const job = aJob('', { prompt: { kind: 'text', text: 'x' }, logprobs: 1 })
    const { steps } = await stepsOf(await anEngine(), job)
    expect(steps.flatMap((step) => step.logprobs)).toEqual([
      { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'a', logprob: -0.5, bytes: [97] }] },
      { token: '\ufffd', logprob: -9_999, bytes: null, top_logprobs: [] },
    ])
    expect(sent(COMPLETIONS)).toMatchObject({ logprobs: 1 })
  })
})

describe('at start', () => {
  const start = (upstream: object | null) =>
    anEngine({
      options: { upstream: upstream && { url: server.url, model: 'upstream-model', apiKey: null, ...upstream } },
    })

  it('says which server and model it stands before', async () => {
    expect((await anEngine()).describe()).toEqual({
      engine: 'openai',
      server: 'vllm',
      upstream: server.url.slice('http://'.length),
      upstreamModel: 'upstream-model',
    })
  })

  it('takes the name of a model of Ollama without its tag', async () => {
    server.on(MODELS, modelList('library', 'llama3.2:latest'))
    server.on('GET /api/version', json({ version: '0.12.0' }))
    expect((await start({ model: 'llama3.2' })).describe()).toMatchObject({ server: 'ollama' })
  })

  it('names the models that are there when it is not the one', async () => {
    server.on(MODELS, modelList('vllm', ...Array.from({ length: 12 }, (_, index) => `m${index}\u001b[2J`)))
    const message = await start({}).catch((cause: Error) => cause.message)
    expect(message).toBe(
      `the server ${server.url}/v1 has no model upstream-model: it has ` +
        `${Array.from({ length: 10 }, (_, index) => `m${index}?[2J`).join(', ')} and 2 more`,
    )
  })

  const refusals: readonly [string, object | null, RegExp][] = [
    ['no upstream', null, /needs "upstream" in config.json/],
    ['nobody there', { url: 'http://127.0.0.1:1' }, /nobody answers there \(ECONNREFUSED\)/],
    ['a password in the address', { url: 'http://me:secret@127.0.0.1:1' }, /^upstream.url holds a password/],
    ['a query', { url: 'http://127.0.0.1:1/v1?a=b' }, /ends before "\?"/],
    ['another protocol', { url: 'ftp://127.0.0.1' }, /no http or https/],
    ['a key that is no header', { apiKey: 'a\u0000b' }, /no printable ASCII/],
    ['a path without a list', { url: 'PATH' }, /has no list of models there/],
  ]
  it.each(refusals)('refuses %s in one sentence', async (_, upstream, sentence) => {
    const given = upstream && 'url' in upstream && upstream.url === 'PATH' ? { url: `${server.url}/api` } : upstream
    const cause = await start(given).catch((refusal: Error) => refusal)
    expect(cause).toMatchObject({ name: 'OperatorError', message: expect.stringMatching(sentence) })
    expect(String(cause)).not.toContain('secret')
  })

  const lists: readonly [string, Parameters<ScriptedServer['on']>[1], RegExp][] = [
    ['a key it refuses', json({}, 401), /refuses the key/],
    ['a redirect', json({}, 307, { location: 'http://127.0.0.1:1/' }), /redirects are not followed/],
    ['no JSON', (response) => void response.end('<html>'), /answers no list of models/],
    ['another JSON', json({ models: [] }), /answers no list of models/],
    [
      'a list without end',
      (response) => void response.end('x'.repeat(1_048_577)),
      /answers no list of models|connection breaks/,
    ],
    ['silence', () => {}, /takes too long/],
    ['an empty list', json({ data: [] }), /it has none/],
  ]
  it.each(lists)('refuses a server that answers %s', async (what, reply, sentence) => {
    server.on(MODELS, reply)
    const upstream = { url: server.url, model: 'upstream-model', apiKey: null }
    const limits = what === 'silence' ? { lookMs: 200 } : {}
    await expect(anEngine({ options: { upstream }, limits })).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(sentence),
    })
  })

  it('refuses a task that is none of this engine', async () => {
    await expect(anEngine({ manifest: { task: 'ocr' } })).rejects.toThrow('has no task ocr')
  })
})
