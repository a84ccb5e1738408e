// A job as a request to an OpenAI-compatible server (rule). Everything that decides an answer is said, because servers differ in their defaults:
// temperature, top_p, penalties, and where the server has it top_k. What this server cannot honour is refused by its name.
import { EngineRefusal, type TextJob } from '../engine.ts'
import { ABILITIES, type ServerKind } from './server-kind.ts'

export interface TextRequest {
  readonly path: '/chat/completions' | '/completions'
  readonly body: Readonly<Record<string, unknown>>
}

/** @throws EngineRefusal `unsupported_parameter` */
export function textRequest(job: TextJob, kind: ServerKind, model: string): TextRequest {
  const { prompt, prefix, stop } = job
  const common = {
    model,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: job.outputTokensMax,
    temperature: job.temperature,
    top_p: job.topP,
    presence_penalty: 0,
    frequency_penalty: 0,
    seed: narrowSeed(job.seed),
    ...(stop.length > 0 ? { stop } : {}),
    ...topK(job, kind),
    ...choices(job, kind),
    ...json(job, kind),
  }
  if (prompt.kind === 'text') {
    // The text before and the delivered beginning are one text.
    const logprobs = job.logprobs === null ? {} : { logprobs: alternatives(job.logprobs) }
    return { path: '/completions', body: { ...common, prompt: prompt.text + prefix, ...logprobs } }
  }
  const logprobs = job.logprobs === null ? {} : { logprobs: true, top_logprobs: alternatives(job.logprobs) }
  const messages = prompt.messages.map(({ role, content }) => ({ role, content }))
  return { path: '/chat/completions', body: { ...common, ...logprobs, ...conversation(messages, prefix, kind) } }
}

function conversation(messages: readonly { role: string; content: string }[], prefix: string, kind: ServerKind) {
  if (prefix === '') return { messages }
  if (!ABILITIES[kind].continues) throw unsupported('a continuation')
  return {
    messages: [...messages, { role: 'assistant', content: prefix }],
    continue_final_message: true,
    add_generation_prompt: false,
    // The delivered beginning is not wanted again.
    echo: false,
  }
}

function topK({ topK }: TextJob, kind: ServerKind): Readonly<Record<string, number>> {
  const { sampling, topKAll } = ABILITIES[kind]
  if (sampling) return { ...sampling, top_k: topK === 0 ? topKAll : topK }
  if (topK > 0) throw unsupported('top_k')
  return {}
}

function choices({ choices }: TextJob, kind: ServerKind): { n?: number } {
  if (choices === 1) return {}
  if (!ABILITIES[kind].choices) throw unsupported('n')
  return { n: choices }
}

function json({ isJson, prompt }: TextJob, kind: ServerKind): { response_format?: { type: 'json_object' } } {
  if (!isJson) return {}
  if (!ABILITIES[kind].json[prompt.kind]) throw unsupported('response_format')
  return { response_format: { type: 'json_object' } }
}

/** At least one: llama.cpp takes none for "no log probabilities at all". What nobody asked for is left out of the answer. */
const alternatives = (asked: number): number => Math.max(1, asked)

/** Servers keep seeds in 32 bits, and some take the last of them for "any". The same seed is the same number. */
const narrowSeed = (seed: number): number => ((seed % SEEDS) + SEEDS) % SEEDS
const SEEDS = 2 ** 31 - 1

const unsupported = (what: string) =>
  new EngineRefusal('unsupported_parameter', `The server behind this model does not take ${what}.`)
