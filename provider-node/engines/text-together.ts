// Several text jobs as one: all accepted or none, one stream of steps, one end. Whoever leaves leaves them all, and when one fails the others
// are of no use any more.
import { setMaxListeners } from 'node:events'
import type { TextEnd, TextEngine, TextJob, TextRun } from './engine.ts'
import { StepQueue } from './step-queue.ts'

/** Choices are counted over all jobs, in their order. Begins when each of them has begun. @throws EngineRefusal the first of any job */
export async function startTogether(
  engine: Pick<TextEngine, 'start'>,
  jobs: readonly TextJob[],
  signal: AbortSignal,
): Promise<TextRun> {
  const [first, ...others] = jobs
  if (first && others.length === 0) return engine.start(first, signal)
  const group = new AbortController()
  setMaxListeners(0, group.signal)
  const stop = () => group.abort()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let refusal: unknown = null
  const started = await Promise.all(
    jobs.map((job) =>
      engine.start(job, group.signal).catch((cause: unknown) => {
        refusal ??= cause
        stop()
        return null
      }),
    ),
  )
  const runs = started.filter((run) => run !== null)
  if (runs.length < jobs.length) {
    signal.removeEventListener('abort', stop)
    throw refusal
  }
  return {
    // Read again each time: servers behind a node count the input at the end.
    get inputTokens() {
      return sum(runs.map(({ inputTokens }) => inputTokens))
    },
    steps: joined(runs, jobs, stop),
    ended: Promise.all(runs.map(({ ended }) => ended)).then((ends) => {
      signal.removeEventListener('abort', stop)
      return endOf(ends)
    }),
  }
}

function joined(runs: readonly TextRun[], jobs: readonly TextJob[], stop: () => void): StepQueue {
  const queue = new StepQueue()
  const outputTokens = runs.map(() => 0)
  const pump = async ({ steps }: TextRun, index: number) => {
    const before = sum(jobs.slice(0, index).map(({ choices }) => choices))
    for await (const step of steps) {
      outputTokens[index] = step.outputTokens
      queue.push({ ...step, choice: before + step.choice, outputTokens: sum(outputTokens) })
    }
  }
  Promise.all(runs.map(pump)).then(
    () => queue.end(),
    (cause: unknown) => {
      stop()
      queue.fail(cause instanceof Error ? cause : new Error('a job failed'))
    },
  )
  return queue
}

function endOf(ends: readonly TextEnd[]): TextEnd {
  const outcomes = new Set(ends.map(({ outcome }) => outcome))
  const begun = ends.map(({ firstOutputAt }) => firstOutputAt).filter((at) => at !== null)
  return {
    outcome: outcomes.has('failed') ? 'failed' : outcomes.has('cancelled') ? 'cancelled' : 'complete',
    texts: ends.flatMap(({ texts }) => texts),
    outputTokens: sum(ends.map((end) => end.outputTokens)),
    tokensAfterAbort: sum(ends.map((end) => end.tokensAfterAbort)),
    firstOutputAt: begun.length === 0 ? null : Math.min(...begun),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
