// Several jobs as one, before an engine that does as it is told.
import { describe, expect, it } from 'vitest'
import {
  EngineRefusal,
  type TextEnd,
  type TextJob,
  type TextRun,
  type TextStep,
} from '../../../provider-node/engines/engine.ts'
import { StepQueue } from '../../../provider-node/engines/step-queue.ts'
import { startTogether } from '../../../provider-node/engines/text-together.ts'
import { aJob } from '../jobs.ts'

/** One entry for each job that was started, in order. */
function anEngine() {
  const started: {
    signal: AbortSignal
    steps: StepQueue
    accept: () => void
    refuse: (refusal: EngineRefusal) => void
    end: (end?: Partial<TextEnd>) => void
  }[] = []
  return {
    started,
    start: (_job: TextJob, signal: AbortSignal): Promise<TextRun> =>
      new Promise((resolve, reject) => {
        const steps = new StepQueue()
        let end: (end?: Partial<TextEnd>) => void = () => undefined
        const ended = new Promise<TextEnd>((settle) => {
          end = (how = {}) =>
            settle({
              outcome: 'complete',
              texts: ['t'],
              outputTokens: 1,
              tokensAfterAbort: 0,
              firstOutputAt: null,
              ...how,
            })
        })
        started.push({ signal, steps, end, refuse: reject, accept: () => resolve({ inputTokens: 5, steps, ended }) })
      }),
  }
}
const step = (choice: number, outputTokens: number, text = 'x'): TextStep => ({
  choice,
  text,
  outputTokens,
  logprobs: [],
  finishReason: null,
})
const jobs = (...choices: number[]) => choices.map((count) => aJob('', { choices: count }))

describe('jobs started together', () => {
  it('are numbered over all their choices, counted together and end together', async () => {
    const engine = anEngine()
    const starting = startTogether(engine, jobs(2, 1, 2), new AbortController().signal)
    for (const { accept } of engine.started) accept()
    const run = await starting
    expect(run.inputTokens).toBe(15)
    const [first, second, third] = engine.started
    const seen: [number, number][] = []
    const reading = (async () => {
      for await (const { choice, outputTokens } of run.steps) seen.push([choice, outputTokens])
    })()
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    third?.steps.push(step(1, 3))
    await turn()
    first?.steps.push(step(1, 2))
    await turn()
    second?.steps.push(step(0, 4))
    await turn()
    for (const { steps, end } of engine.started) {
      steps.end()
      end({ firstOutputAt: 7, tokensAfterAbort: 1 })
    }
    await reading
    expect(seen).toEqual([
      [4, 3],
      [1, 5],
      [2, 9],
    ])
    expect(await run.ended).toEqual({
      outcome: 'complete',
      texts: ['t', 't', 't'],
      outputTokens: 3,
      tokensAfterAbort: 3,
      firstOutputAt: 7,
    })
  })

  it('are refused by the first refusal, which stops the others, also those that have begun', async () => {
    const engine = anEngine()
    const starting = startTogether(engine, jobs(1, 1, 1), new AbortController().signal)
    engine.started[0]?.accept()
    engine.started[1]?.refuse(new EngineRefusal('busy', 'full'))
    await Promise.resolve()
    engine.started[2]?.refuse(new EngineRefusal('internal', 'cancelled'))
    await expect(starting).rejects.toMatchObject({ code: 'busy' })
    expect(engine.started.every(({ signal }) => signal.aborted)).toBe(true)
  })

  it('all stop when the caller leaves, also one who left before', async () => {
    const caller = new AbortController()
    const engine = anEngine()
    void startTogether(engine, jobs(1, 1), caller.signal)
    expect(engine.started.some(({ signal }) => signal.aborted)).toBe(false)
    caller.abort()
    expect(engine.started.every(({ signal }) => signal.aborted)).toBe(true)
    void startTogether(engine, jobs(1, 1), caller.signal)
    expect(engine.started.slice(2).every(({ signal }) => signal.aborted)).toBe(true)
  })

  it('fail together: what one had said is read, then the failure, and the others stop', async () => {
    const engine = anEngine()
    const starting = startTogether(engine, jobs(1, 1), new AbortController().signal)
    for (const { accept } of engine.started) accept()
    const run = await starting
    engine.started[0]?.steps.push(step(0, 1))
    engine.started[1]?.steps.fail(new EngineRefusal('internal', 'broken'))
    engine.started[0]?.end({ outcome: 'cancelled' })
    engine.started[1]?.end({ outcome: 'failed' })
    const reading = (async () => {
      for await (const { choice } of run.steps) expect(choice).toBe(0)
    })()
    await expect(reading).rejects.toThrow('broken')
    expect(engine.started[0]?.signal.aborted).toBe(true)
    expect((await run.ended).outcome).toBe('failed')
  })

  it('are the job itself when there is one', async () => {
    const engine = anEngine()
    const caller = new AbortController()
    void startTogether(engine, jobs(2), caller.signal)
    expect(engine.started[0]?.signal).toBe(caller.signal)
  })
})
