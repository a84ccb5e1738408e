// How many are before the server, who waits and who comes next; and what becomes of calls while the server is gone.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EngineRefusal, type TextEngine, type TextRun } from '../../../../provider-node/engines/engine.ts'
import { aJob, answerOf } from '../../jobs.ts'
import {
  anOpenAiServer,
  CHAT,
  DONE,
  events,
  json,
  modelList,
  MODELS,
  say,
  type Reply,
  type ScriptedServer,
  until,
} from '../upstream/scripted-server.ts'
import { aTextEngine, type EngineOverrides } from './engine-builders.ts'

let server: ScriptedServer
let engine: TextEngine
const never = new AbortController().signal
const answered = events(say('a', 'stop'), DONE)
beforeEach(async () => {
  server = await anOpenAiServer()
})
afterEach(async () => {
  await engine.close()
  await server.close()
})

async function before(overrides: EngineOverrides = {}) {
  const made = await aTextEngine(server, overrides)
  engine = made.engine
  return made
}

/** Answers when told to, in any order. */
function held(): { reply: Reply; answer(index?: number): Promise<void> } {
  const waiting: (() => void)[] = []
  return {
    reply: (response, asked, request) =>
      new Promise<void>((resolve) => waiting.push(resolve)).then(() => answered(response, asked, request)),
    async answer(index = 0) {
      await until(() => waiting.length).toBeGreaterThan(index)
      waiting.splice(index, 1)[0]?.()
    },
  }
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (cause: unknown) => (cause instanceof EngineRefusal ? cause.code : String(cause)),
  )
const asked = () => server.askedFor(CHAT).map(({ json: body }) => JSON.stringify(body?.messages))
const started = (content: string, overrides = {}): Promise<TextRun> => engine.start(aJob(content, overrides), never)

describe('the queue', () => {
  it('lets so many in, keeps so many waiting, and refuses the next one at once', async () => {
    const { reply, answer } = held()
    server.on(CHAT, reply)
    await before({ options: { concurrencyMax: 2, queueMax: 1 } })
    const runs = ['1', '2', '3'].map((content) => started(content))
    await until(() => engine.load()).toEqual({ inFlight: 2, waiting: 1 })
    expect(await codeOf(started('4'))).toBe('busy')
    await until(() => asked().length).toBe(2)
    for (let call = 0; call < 3; call++) await answer()
    await Promise.all(runs.map(async (run) => (await run).ended))
    expect(asked()).toHaveLength(3)
    await until(() => engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('serves more than ten at once, and the runtime does not warn of a leak', async () => {
    const warnings: string[] = []
    const warned = ({ name }: Error) => void warnings.push(name)
    process.on('warning', warned)
    const { reply, answer } = held()
    server.on(CHAT, reply)
    await before({ options: { concurrencyMax: 12 } })
    const runs = Array.from({ length: 12 }, (_, index) =>
      engine.start(aJob(String(index)), new AbortController().signal),
    )
    await until(() => asked().length).toBe(12)
    for (let call = 0; call < 12; call++) await answer()
    await Promise.all(runs.map(async (run) => (await run).ended))
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  it('is fair between accounts: one call of another comes before the second of the first', async () => {
    const { reply, answer } = held()
    server.on(CHAT, reply)
    await before({ options: { concurrencyMax: 1 } })
    const runs = [started('first'), started('a1', { account: 'a' }), started('a2', { account: 'a' })]
    await until(() => engine.load().waiting).toBe(2)
    runs.push(started('b1', { account: 'b' }))
    for (let call = 0; call < 4; call++) await answer()
    await Promise.all(runs.map(async (run) => (await run).ended))
    expect(asked().map((text) => /"content":"(.*?)"/.exec(text ?? '')?.[1])).toEqual(['first', 'a1', 'b1', 'a2'])
  })

  it('drops who leaves while waiting: the server never hears of it', async () => {
    const { reply, answer } = held()
    server.on(CHAT, reply)
    await before({ options: { concurrencyMax: 1 } })
    const first = started('first')
    const caller = new AbortController()
    const leaving = codeOf(engine.start(aJob('leaving'), caller.signal))
    await until(() => engine.load().waiting).toBe(1)
    caller.abort()
    expect(await leaving).toBe('internal')
    expect(engine.load()).toEqual({ inFlight: 1, waiting: 0 })
    await answer()
    await (
      await first
    ).ended
    expect(asked()).toHaveLength(1)
  })

  it('sends away whose turn does not come in time', async () => {
    const { reply, answer } = held()
    server.on(CHAT, reply)
    await before({ options: { concurrencyMax: 1 } })
    const first = started('first')
    expect(await codeOf(started('late', { startBy: Date.now() + 100 }))).toBe('busy')
    expect(await codeOf(started('too late', { startBy: Date.now() - 1 }))).toBe('busy')
    await answer()
    await (
      await first
    ).ended
    expect(asked()).toHaveLength(1)
  })

  it('frees the place of a call that fails, and of one that is refused', async () => {
    await before({ options: { concurrencyMax: 1, queueMax: 0 } })
    for (const reply of [events(say('a'), 'cut'), json({}, 500), json({}, 400)] as Reply[]) {
      server.on(CHAT, reply)
      await codeOf(answerOf(engine, aJob('hello')))
      expect(engine.load().inFlight).toBe(0)
    }
    server.on(CHAT, answered)
    expect((await answerOf(engine, aJob('hello'))).text).toBe('a')
  })

  it('ends with the engine: running calls break off, waiting ones are refused', async () => {
    server.on(CHAT, events(say('a'), 60_000))
    await before({ options: { concurrencyMax: 1 } })
    const run = await started('running')
    const waiting = codeOf(started('waiting'))
    await until(() => engine.load().waiting).toBe(1)
    await engine.close()
    expect([(await run.ended).outcome, await waiting]).toEqual(['cancelled', 'internal'])
    expect([engine.isRunning(), await codeOf(started('later'))]).toEqual([false, 'internal'])
    await until(() => server.askedFor(CHAT)[0]?.hungUpAt ?? null).not.toBeNull()
  })
})

describe('a server that goes', () => {
  const limits = { healthMs: 50, downMs: { first: 50, last: 100 } }

  it('is noticed by a call: the next ones are sent elsewhere at once, and it comes back by itself', async () => {
    server.on(CHAT, answered)
    const { observer } = await before({ limits: { ...limits, downMs: { first: 300, last: 300 }, healthMs: 60_000 } })
    await server.down()
    expect(await codeOf(answerOf(engine, aJob('hello')))).toBe('internal')
    const refusal = await engine.start(aJob('hello'), never).catch((cause: unknown) => cause)
    expect(refusal).toMatchObject({ code: 'busy', options: { retryAfterSeconds: 1 } })
    expect([engine.isRunning(), engine.load().inFlight]).toEqual([true, 0])
    await server.up()
    await until(() => codeOf(answerOf(engine, aJob('hello')))).toBe('accepted')
    expect(observer.warnings.map(({ event }) => event)).toEqual(['upstream_down', 'upstream_back'])
    expect(observer.warnings[0]?.fields).toMatchObject({ model: 'somebody/model', why: 'ECONNREFUSED' })
  })

  it('is noticed while idle, and told once', async () => {
    const { observer } = await before({ limits })
    await server.down()
    await until(() => observer.warnings.length).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(observer.warnings).toHaveLength(1)
    expect(await codeOf(answerOf(engine, aJob('hello')))).toBe('busy')
    await server.up()
    await until(() => observer.warnings.at(-1)?.event).toBe('upstream_back')
  })

  it('and one that has lost the model is down, too', async () => {
    const { observer } = await before({ limits })
    server.on(MODELS, modelList('vllm', 'another'))
    await expect
      .poll(() => observer.warnings)
      .toMatchObject([{ event: 'upstream_down', fields: { why: 'model_gone' } }])
    server.on(MODELS, modelList('vllm', 'upstream-model'))
    await until(() => observer.warnings.at(-1)?.event).toBe('upstream_back')
  })

  it('is not asked while there are calls: they show that it is there', async () => {
    server.on(CHAT, events(say('a'), 500, say('b', 'stop'), DONE))
    await before({ limits })
    const run = await started('hello')
    const looks = server.askedFor(MODELS).length
    await run.ended
    expect(server.askedFor(MODELS).length).toBeLessThanOrEqual(looks + 1)
    await until(() => server.askedFor(MODELS).length).toBeGreaterThan(looks + 1)
  })

  it('that closed a kept connection meanwhile is asked again on a new one', async () => {
    server.on(CHAT, answered)
    await before({ limits: { healthMs: 60_000 } })
    for (let call = 0; call < 2; call++) {
      expect((await answerOf(engine, aJob('hello'))).text).toBe('a')
      await server.down()
      await server.up()
    }
  })
})
