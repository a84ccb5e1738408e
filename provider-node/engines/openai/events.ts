// What an OpenAI-compatible server may say, parsed: lists of models, events of a stream in both shapes (chat and completions), vectors, errors.
// Servers add fields of their own, which are ignored; what is read is bounded.
import { z } from 'zod'
import { CHOICES_MAX, type FinishReason, type TokenLogprob } from '../../../protocol/openai.ts'

export const ModelList = z.object({
  data: z.array(z.object({ id: z.string().max(1_024), owned_by: z.string().max(256).nullish() })).max(10_000),
})

const Count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** Anything that is no count is none: nobody loses an answer for it. */
const Usage = z
  .object({ prompt_tokens: Count.optional().catch(undefined), completion_tokens: Count.optional().catch(undefined) })
  .nullish()
  .catch(null)

const TOKEN_CHARACTERS = 4_096
const TOKENS_OF_EVENT = 4_096
/** Minus infinity has no word in JSON: servers write null or a very low number. */
const Logprob = z
  .number()
  .nullable()
  .transform((value) => value ?? -9_999)
const Chance = z.object({
  token: z.string().max(TOKEN_CHARACTERS),
  logprob: Logprob,
  bytes: z.array(z.number().int().min(0).max(255)).max(TOKEN_CHARACTERS).nullish(),
})
const ChatLogprobs = z.object({
  content: z
    .array(Chance.extend({ top_logprobs: z.array(Chance).max(64).nullish() }))
    .max(TOKENS_OF_EVENT)
    .nullish(),
})
const TextLogprobs = z.object({
  tokens: z.array(z.string().max(TOKEN_CHARACTERS)).max(TOKENS_OF_EVENT),
  token_logprobs: z.array(Logprob).max(TOKENS_OF_EVENT),
  top_logprobs: z
    .array(z.record(z.string().max(TOKEN_CHARACTERS), Logprob).nullable())
    .max(TOKENS_OF_EVENT)
    .nullish(),
})

const Choice = z.object({
  index: z
    .number()
    .int()
    .min(0)
    .max(CHOICES_MAX - 1)
    .default(0),
  delta: z.object({ content: z.string().nullish() }).nullish(),
  text: z.string().nullish(),
  // The older form first: every object could be the newer one, whose only field may be missing.
  logprobs: z.union([TextLogprobs, ChatLogprobs]).nullish(),
  finish_reason: z.string().max(64).nullish(),
})
const Event = z.object({
  choices: z.array(Choice).max(CHOICES_MAX).nullish(),
  usage: Usage,
  error: z.unknown().optional(),
})

/** What one event adds to one choice. */
export interface Piece {
  readonly choice: number
  readonly text: string
  /** null: the server gave none */
  readonly logprobs: readonly TokenLogprob[] | null
  /** as the server says it */
  readonly finish: string | null
}

export interface UpstreamEvent {
  readonly pieces: readonly Piece[]
  readonly usage: { readonly promptTokens: number | null; readonly completionTokens: number | null }
  /** what stands under `error`; null: it is none */
  readonly error: unknown
}

/** @returns null for what is no event of this protocol */
export function readEvent(data: string): UpstreamEvent | null {
  const parsed = Event.safeParse(parsedOrNull(data))
  if (!parsed.success) return null
  const { choices, usage, error } = parsed.data
  // Every event of a stream has choices, if only an empty list beside its usage.
  if (!choices && !usage && error === undefined) return null
  return {
    pieces: (choices ?? []).map(({ index, delta, text, logprobs, finish_reason }) => ({
      choice: index,
      text: delta?.content ?? text ?? '',
      logprobs: logprobs ? logprobsOf(logprobs) : null,
      finish: finish_reason ?? null,
    })),
    usage: { promptTokens: usage?.prompt_tokens ?? null, completionTokens: usage?.completion_tokens ?? null },
    error: error ?? null,
  }
}

function logprobsOf(given: z.infer<typeof ChatLogprobs> | z.infer<typeof TextLogprobs>): TokenLogprob[] | null {
  if ('tokens' in given)
    return given.tokens.map((token, at) => ({
      ...chance({ token, logprob: given.token_logprobs[at] ?? -9_999 }),
      top_logprobs: Object.entries(given.top_logprobs?.[at] ?? {}).map(([other, logprob]) =>
        chance({ token: other, logprob }),
      ),
    }))
  return (
    given.content?.map((entry) => ({ ...chance(entry), top_logprobs: (entry.top_logprobs ?? []).map(chance) })) ?? null
  )
}

/** Servers that do not give the bytes: those of the text, where it is whole. */
const chance = ({ token, logprob, bytes }: z.input<typeof Chance>) => ({
  token,
  logprob: logprob ?? -9_999,
  bytes: bytes ?? (token.includes('\ufffd') ? null : [...new TextEncoder().encode(token)]),
})

/** Ends that are ends. Tool calls, aborts and words we do not know are none: such an answer is not what was asked for. */
const FINISHES: Readonly<Record<string, FinishReason | undefined>> = {
  stop: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  stop_sequence: 'stop',
  length: 'length',
  content_filter: 'content_filter',
}

/** @returns null for what is no end of an answer */
export const finishOf = (said: string): FinishReason | null =>
  Object.hasOwn(FINISHES, said) ? (FINISHES[said] ?? null) : null

export const VectorReply = z.object({
  data: z
    .array(z.object({ index: z.number().int().min(0), embedding: z.array(z.number()).min(1).max(65_536) }))
    .max(256),
  usage: Usage,
})

/** OpenAI's shape, vLLM's (the fields at the top), and a bare sentence (Ollama's older ones, Text Generation Inference). */
export interface UpstreamError {
  readonly code: string
  readonly type: string
  readonly param: string
  readonly message: string
}

const Word = z
  .union([z.string(), z.number()])
  .transform((value) => String(value).slice(0, 2_048))
  .nullish()
  .catch(null)
const ErrorFields = z.object({ code: Word, type: Word, error_type: Word, param: Word, message: Word })

/** @param value what stands under `error`, or the whole body */
export function errorFields(value: unknown): UpstreamError {
  if (typeof value === 'string') return { code: '', type: '', param: '', message: value.slice(0, 2_048) }
  const { code, type, error_type, param, message } = ErrorFields.safeParse(value).data ?? {}
  return { code: code ?? '', type: type ?? error_type ?? '', param: param ?? '', message: message ?? '' }
}

/** @returns the fields of an error's body, wherever the server puts them; empty ones for what is no JSON */
export function errorOfBody(bytes: Uint8Array): UpstreamError {
  const body = parsedOrNull(new TextDecoder().decode(bytes))
  const inner = z.object({ error: z.unknown() }).safeParse(body)
  const fields = errorFields(inner.success && inner.data.error ? inner.data.error : body)
  // `{ "error": "a sentence", "error_type": "validation" }`
  return fields.type === '' ? { ...fields, type: errorFields(body).type } : fields
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
