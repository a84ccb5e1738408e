// Jobs as a route would hand them to an engine, and the answers read whole.
import type { EngineOptions } from '../../provider-node/engines/create.ts'
import type { EmbeddingJob, TextEnd, TextEngine, TextJob } from '../../provider-node/engines/engine.ts'

const OWNER = { account: 'somebody', startBy: Number.MAX_SAFE_INTEGER }

/** A greedy chat. */
export const aJob = (content: string, overrides: Partial<TextJob> = {}): TextJob => ({
  ...OWNER,
  prompt: { kind: 'chat', messages: [{ role: 'user', content }] },
  prefix: '',
  outputTokensMax: 256,
  temperature: 0,
  topP: 1,
  topK: 0,
  seed: 1,
  stop: [],
  choices: 1,
  logprobs: null,
  isJson: false,
  ...overrides,
})

export const aTextsJob = (inputs: readonly string[], overrides: Partial<EmbeddingJob> = {}): EmbeddingJob => ({
  ...OWNER,
  inputs,
  dimensions: null,
  ...overrides,
})

/** Of an engine that nobody watches, on one thread. */
export const ENGINE_OPTIONS = {
  concurrencyMax: 4,
  queueMax: 16,
  threads: 1,
  sessions: 1,
  executionProvider: 'cpu',
  upstream: null,
  now: Date.now,
  observe: { batch: () => undefined, waited: () => undefined, warn: () => undefined },
} satisfies EngineOptions

/** The first choice, read to its end, and how it ended. */
export async function answerOf(
  engine: TextEngine,
  job: TextJob,
): Promise<TextEnd & { text: string; finishReason: string | null }> {
  const run = await engine.start(job, new AbortController().signal)
  let text = ''
  let finishReason: string | null = null
  for await (const step of run.steps) {
    if (step.choice !== 0) continue
    text += step.text
    finishReason = step.finishReason
  }
  return { ...(await run.ended), text, finishReason }
}
