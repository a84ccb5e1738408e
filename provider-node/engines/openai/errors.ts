// What an error of an OpenAI-compatible server means for a call (rule): the caller's prompt is too long, a field is one it does not take, or it is
// refused for another reason. By code where there is one; servers that have none are known by their sentences, which are never passed on.
import { EngineRefusal } from '../engine.ts'
import { commonVerdict, only, type Facts, type Verdict } from '../upstream/verdict.ts'
import type { UpstreamError } from './events.ts'

export function verdictOf(status: number, error: UpstreamError, facts: Facts): Verdict {
  const common = commonVerdict(status, facts)
  // Some answer 500 to a prompt that is too long.
  const mayBeContext = common === null || (status >= 500 && common.refusal.code === 'internal')
  if (mayBeContext && isContextLength(error))
    return only(new EngineRefusal('context_length_exceeded', 'The input leaves no room in the context of the model.'))
  if (common) return common
  if (FILTER_CODES.has(error.code) || FILTER_CODES.has(error.type))
    return only(
      new EngineRefusal('content_filter', 'The content filter of the server behind this model refused the request.'),
    )
  const field = unsupportedField(error)
  if (field === null) return only(new EngineRefusal('bad_request', 'The server behind this model refused the request.'))
  const sentence = `The server behind this model does not take ${field} as it was given.`
  return only(new EngineRefusal('unsupported_parameter', sentence))
}

/** An error in a stream has no status but its code. */
export function streamVerdict(error: UpstreamError, facts: Facts): Verdict {
  const status = /^[45]\d\d$/.test(error.code) ? Number(error.code) : 500
  return verdictOf(status, error, facts)
}

/** OpenAI's and others' code, llama.cpp's type. */
const CONTEXT_CODES: ReadonlySet<string> = new Set(['context_length_exceeded', 'exceed_context_size_error'])

/** Azure's and OpenAI's. */
const FILTER_CODES: ReadonlySet<string> = new Set(['content_filter', 'content_policy_violation'])

/** vLLM, SGLang, llama.cpp before its type, Ollama, LM Studio: a context, and that it is not enough. */
const CONTEXT_WORDS = /context (?:length|size|window)|context the overflows/i
const NOT_ENOUGH = /exceed|only|longer|greater|larger|maximum|overflow|too long/i
/** OpenVINO and TensorRT-LLM; Text Generation Inference; others. */
const LENGTH_SENTENCES = [
  /max(?:imum)? (?:allowed |input |prompt |model |sequence )+length/i,
  /exceeds (?:the )?model max(?:imum)? length/i,
  /`inputs` tokens \+ `max_new_tokens` must be/i,
  /prompt is too long/i,
]

export const isContextLength = ({ code, type, message }: UpstreamError): boolean =>
  CONTEXT_CODES.has(code) ||
  CONTEXT_CODES.has(type) ||
  (CONTEXT_WORDS.test(message) && NOT_ENOUGH.test(message)) ||
  LENGTH_SENTENCES.some((pattern) => pattern.test(message))

/** Fields of ours that a server may not take. */
const FIELDS = [
  'top_logprobs',
  'logprobs',
  'top_k',
  'top_p',
  'min_p',
  'repetition_penalty',
  'repeat_penalty',
  'presence_penalty',
  'frequency_penalty',
  'response_format',
  'continue_final_message',
  'add_generation_prompt',
  'stream_options',
  'max_tokens',
  'temperature',
  'dimensions',
  'encoding_format',
  'seed',
  'stop',
  'echo',
  'n',
]
const REFUSING =
  /support|unknown|unrecogni[sz]ed|unexpected|not (?:permitted|allowed|available|implemented)|extra|invalid|must be|only/i

/** @returns the field's name when the server says that it does not take it; a name of ours, never a server's text */
function unsupportedField({ param, message }: UpstreamError): string | null {
  const named = FIELDS.find((field) => param === field || param.split('.')[0] === field)
  if (named !== undefined) return named
  if (!REFUSING.test(message)) return null
  // A bare `n` is a letter in too many sentences: it counts in quotes only.
  return FIELDS.find((field) => new RegExp(field === 'n' ? `['"\`]n['"\`]` : `\\b${field}\\b`).test(message)) ?? null
}

const CONTEXT_TOKENS = [/context length (?:is|of)(?: only)? (\d{1,9})/i, /must be <= (\d{1,9})/i]
const INPUT_TOKENS = [
  /(\d{1,9}) in the (?:messages|prompt)/i,
  /(\d{1,9}) input tokens/i,
  /(\d{1,9}) tokens from the input/i,
  /(\d{1,9}) `inputs` tokens/i,
]

/**
 * What to ask for instead, where a server refuses more tokens than fit behind the prompt: here `max_tokens` beyond the context is cut, not refused.
 * vLLM since 0.15 reads no further than it must to refuse, so that its count says only "too many": then half is tried.
 * @returns null when it says no numbers, or when nothing would fit
 */
export function lessOutput({ message }: UpstreamError, asked: number): number | null {
  const first = (patterns: readonly RegExp[]) => patterns.map((pattern) => pattern.exec(message)?.[1]).find(Boolean)
  const [context, input] = [first(CONTEXT_TOKENS), first(INPUT_TOKENS)]
  if (context === undefined || input === undefined) return null
  const room = Number(context) - Number(input)
  const less = room === asked - 1 ? Math.floor(asked / 2) : Math.min(room, asked - 1)
  return less > 0 ? less : null
}
