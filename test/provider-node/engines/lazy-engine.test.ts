// A model that comes and goes: whoever calls it notices only that one answer came later.
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { EngineRefusal, type TextEngine } from '../../../provider-node/engines/engine.ts'
import { createLazyEngine } from '../../../provider-node/engines/lazy-engine.ts'
import { createMemory, type Memory } from '../../../provider-node/model-store/memory.ts'
import { Resident, type ResidentNeeds } from '../../../provider-node/model-store/resident.ts'
import { STORE_LIMITS } from '../../../provider-node/model-store/store-limits.ts'
import { OperatorError } from '../../../provider-node/operator-error.ts'
import { aFakeEngine, type FakeEngine } from '../model-store/builders.ts'
import { aJob } from '../jobs.ts'

const never = new AbortController().signal
const soon = () => new Promise((resolve) => setImmediate(resolve))

interface Lazy {
  readonly engine: TextEngine
  readonly resident: Resident
  /** engines opened so far */
  readonly opened: FakeEngine[]
  readonly events: string[]
}

function aLazyEngine(memory: Memory = createMemory(null), over: Partial<ResidentNeeds> = {}): Lazy {
  const opened: FakeEngine[] = []
  const events: string[] = []
  const resident = new Resident({
    ...{ bytes: 60, memory, waitingMax: 3, now: Date.now },
    open: () => {
      opened.push(aFakeEngine())
      return Promise.resolve(opened.at(-1) ?? aFakeEngine())
    },
    on: (event) => void events.push(event),
    ...over,
  })
  const engine = createLazyEngine('chat', resident, 'onnx')
  if (engine.task !== 'chat') throw new Error('asked for a chat engine')
  return { engine, resident, opened, events }
}

/** An opening that waits until it is let go. */
function held() {
  let go: (error?: Error) => void = () => undefined
  const gate = new Promise<void>((resolve, reject) => (go = (error) => (error ? reject(error) : resolve())))
  return { open: () => gate.then(aFakeEngine), go: (error?: Error) => go(error) }
}

describe('a model on the disk', () => {
  it('is offered, loaded by its first call, and stays', async () => {
    const { engine, resident, opened, events } = aLazyEngine()
    expect([resident.state(), engine.isRunning(), engine.describe()]).toEqual(['unloaded', true, { engine: 'onnx' }])
    await engine.start(aJob('one'), never)
    await engine.start(aJob('two'), never)
    expect([opened.length, events, engine.load()]).toEqual([1, ['loading', 'loaded'], { inFlight: 2, waiting: 0 }])
    expect([resident.state(), engine.describe()]).toEqual(['loaded', { engine: 'fake', threads: 1 }])
  })

  it('is loaded once for all who wait; as many wait as may, and the next is told to come again', async () => {
    const { open, go } = held()
    const opens = vi.fn(open)
    const { engine, resident } = aLazyEngine(undefined, { open: opens })
    const calls = [1, 2, 3].map(() => engine.start(aJob('x'), never))
    await soon()
    expect([resident.state(), engine.load()]).toEqual(['loading', { inFlight: 0, waiting: 3 }])
    await expect(engine.start(aJob('x'), never)).rejects.toMatchObject({
      code: 'busy',
      options: { retryAfterSeconds: 5 },
    })
    go()
    await Promise.all(calls)
    expect([opens.mock.calls.length, engine.load()]).toEqual([1, { inFlight: 3, waiting: 0 }])
  })

  it('refuses whose time to begin is up while it loads, and loads on', async () => {
    const { open, go } = held()
    const { engine, resident } = aLazyEngine(undefined, { open })
    const late = engine.start(aJob('x', { startBy: Date.now() + 20 }), never)
    await expect(late).rejects.toMatchObject({ code: 'busy', message: 'This model was not loaded in time.' })
    go()
    await soon()
    expect(resident.state()).toBe('loaded')
  })

  it('does not hold a caller who leaves', async () => {
    const { open, go } = held()
    const { engine, resident } = aLazyEngine(undefined, { open })
    const leaves = new AbortController()
    const call = engine.start(aJob('x'), leaves.signal)
    leaves.abort()
    await expect(call).rejects.toBeInstanceOf(EngineRefusal)
    expect(engine.load().waiting).toBe(0)
    go()
    await soon()
    expect(resident.isIdle()).toBe(true)
  })

  it('that cannot be loaded says so, is not tried again at once, and then is', async () => {
    let now = 1_000_000
    let isBroken = true
    const open = vi.fn(() =>
      isBroken ? Promise.reject(new OperatorError('its file has changed')) : Promise.resolve(aFakeEngine()),
    )
    const { engine, resident, events } = aLazyEngine(undefined, { open, now: () => now })
    await expect(engine.start(aJob('x'), never)).rejects.toMatchObject({ code: 'internal' })
    expect([resident.state(), resident.reason(), engine.isRunning()]).toEqual(['failed', 'its file has changed', false])
    now += STORE_LIMITS.reloadMs - 1
    await expect(engine.start(aJob('x'), never)).rejects.toMatchObject({ code: 'internal' })
    expect([open.mock.calls.length, events]).toEqual([1, ['loading', 'failed']])
    isBroken = false
    now += 1
    await engine.start(aJob('x'), never)
    expect([resident.state(), resident.reason(), engine.isRunning()]).toEqual(['loaded', null, true])
  })
})

describe('room', () => {
  it('is made by the least recently used that is idle, and that one comes back with its next call', async () => {
    const memory = createMemory(120)
    let now = 0
    const clock = { now: () => ++now }
    const [a, b, c] = [aLazyEngine(memory, clock), aLazyEngine(memory, clock), aLazyEngine(memory, clock)]
    for (const { engine, opened } of [a, b, a]) {
      const run = await engine.start(aJob('x', { startBy: 2 ** 50 }), never)
      opened.at(-1)?.finish()
      await run.ended
    }
    await c.engine.start(aJob('x', { startBy: 2 ** 50 }), never)
    expect([a, b, c].map(({ resident }) => resident.state())).toEqual(['loaded', 'unloaded', 'loaded'])
    expect([b.opened[0]?.isClosed(), b.engine.isRunning(), b.events]).toEqual([
      true,
      true,
      ['loading', 'loaded', 'unloaded'],
    ])
    await b.engine.start(aJob('x', { startBy: 2 ** 50 }), never)
    expect([a, b, c].map(({ resident }) => resident.state())).toEqual(['unloaded', 'loaded', 'loaded'])
    expect([b.opened.length, memory.usedBytes()]).toEqual([2, 120])
  })

  it('is never made by one with a call: the next waits until the call has ended', async () => {
    const memory = createMemory(60)
    const [a, b] = [aLazyEngine(memory), aLazyEngine(memory)]
    const running = await a.engine.start(aJob('x'), never)
    let hasBegun = false
    const waiting = b.engine.start(aJob('x'), never).then(() => (hasBegun = true))
    await soon()
    expect([hasBegun, a.resident.state(), b.engine.load().waiting]).toEqual([false, 'loaded', 1])
    a.opened[0]?.finish()
    await running.ended
    await waiting
    expect([a.resident.state(), b.resident.state(), memory.usedBytes()]).toEqual(['unloaded', 'loaded', 60])
  })

  it('that does not come in time is busy, and nobody loads what nobody waits for', async () => {
    const memory = createMemory(60)
    const [a, b] = [aLazyEngine(memory), aLazyEngine(memory)]
    await a.engine.start(aJob('x'), never)
    const late = b.engine.start(aJob('x', { startBy: Date.now() + 20 }), never)
    await expect(late).rejects.toMatchObject({ code: 'busy' })
    a.opened[0]?.finish()
    await soon()
    expect([a.resident.state(), b.resident.state(), b.opened.length]).toEqual(['loaded', 'unloaded', 0])
  })

  it('is made by a model that is still being loaded although nobody wants it any more, once it is loaded', async () => {
    const memory = createMemory(60)
    const { open, go } = held()
    const [a, b] = [aLazyEngine(memory, { open }), aLazyEngine(memory)]
    const leaves = new AbortController()
    const left = a.engine.start(aJob('x'), leaves.signal)
    await soon()
    leaves.abort()
    await expect(left).rejects.toBeInstanceOf(EngineRefusal)
    const waiting = b.engine.start(aJob('x', { startBy: Date.now() + 5_000 }), never)
    await soon()
    go()
    await waiting
    expect([a.resident.state(), b.resident.state()]).toEqual(['unloaded', 'loaded'])
  })

  it('a call that comes while its model is unloaded waits for the next load', async () => {
    const { engine, resident, opened } = aLazyEngine()
    const run = await engine.start(aJob('x'), never)
    opened[0]?.finish()
    await run.ended
    const gone = resident.unload()
    const again = engine.start(aJob('x'), never)
    await gone
    await again
    expect([opened.length, opened[0]?.isClosed(), opened[1]?.isClosed()]).toEqual([2, true, false])
  })

  it('is given back by a load that fails', async () => {
    const memory = createMemory(60)
    const broken = aLazyEngine(memory, { open: () => Promise.reject(new Error('no')) })
    await expect(broken.engine.start(aJob('x'), never)).rejects.toMatchObject({ code: 'internal' })
    expect(memory.usedBytes()).toBe(0)
  })
})

it('under any order of calls no model with a call is unloaded, the ceiling holds, and every call is served', async () => {
  const turn = fc.record({ model: fc.nat(2), pauses: fc.nat(4), length: fc.nat(4) })
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 25 }), async (turns) => {
      const memory = createMemory(120)
      let torn = 0
      const open = async () => {
        await soon()
        const engine = aFakeEngine()
        const close = async () => {
          if (engine.load().inFlight > 0) torn += 1
          await soon()
          return engine.close()
        }
        const start: TextEngine['start'] = (job, signal) => {
          if (engine.isClosed()) torn += 1
          return engine.start(job, signal)
        }
        // Calls of one engine last equally long here: the oldest is the one that ends.
        const at = engines.push(engine) - 1
        return { ...engine, start, close, describe: () => ({ at }) }
      }
      const engines: FakeEngine[] = []
      const models = [0, 1, 2].map(() => aLazyEngine(memory, { open, waitingMax: 100 }))
      const calls = turns.map(async ({ model, pauses, length }) => {
        for (let pause = 0; pause < pauses; pause++) await soon()
        const lazy = models[model]
        const run = await lazy?.engine.start(aJob('x'), never)
        const served = engines[Number(lazy?.engine.describe().at)]
        for (let pause = 0; pause < length; pause++) await soon()
        const inMemory = models.filter(({ resident }) => resident.state() === 'loaded').length
        expect(memory.usedBytes()).toBeLessThanOrEqual(120)
        expect(inMemory * 60).toBeLessThanOrEqual(memory.usedBytes())
        served?.finish()
        await run?.ended
      })
      await Promise.all(calls)
      expect([torn, ...models.map(({ engine }) => engine.load().inFlight)]).toEqual([0, 0, 0, 0])
    }),
    { numRuns: 100 },
  )
})

describe('the end', () => {
  it('closes what is loaded, and refuses calls', async () => {
    const { engine, opened } = aLazyEngine()
    await engine.start(aJob('x'), never)
    await engine.close()
    expect(opened[0]?.isClosed()).toBe(true)
    await expect(engine.start(aJob('x'), never)).rejects.toMatchObject({ code: 'internal' })
  })

  it('throws away a load that is under way', async () => {
    const memory = createMemory(null)
    const { open, go } = held()
    const { engine } = aLazyEngine(memory, { open })
    const call = engine.start(aJob('x'), never)
    await soon()
    const closed = engine.close()
    go()
    await closed
    await expect(call).rejects.toMatchObject({ code: 'internal' })
    expect(memory.usedBytes()).toBe(0)
  })

  it('of an engine that died is told', async () => {
    const { engine, opened } = aLazyEngine()
    await engine.start(aJob('x'), never)
    opened[0]?.die('its thread ended')
    expect(await engine.died).toBe('its thread ended')
    expect(engine.isRunning()).toBe(false)
  })
})
