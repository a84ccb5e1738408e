// The OpenAI surface: what callers may send, what they get back. The same chat and embedding bodies travel on to the node.
// A field is either honoured, known to be harmless (accepted, not passed on), or refused by name: nothing is dropped silently.
import { z } from 'zod'
import { FallbackModels, ProviderPreferences } from './routing.ts'

/** Ceilings of one request, the same for every model; a model's own context is smaller. */
export const REQUEST_LIMITS = {
  messages: 1_024,
  textCharacters: 1_000_000,
  stopSequences: 4,
  stopCharacters: 128,
  embeddingInputs: 256,
  outputTokens: 131_072,
  choices: 8,
  prompts: 16,
  topLogprobs: 20,
} as const

/** Choices of one request at most: every prompt with every choice. */
export const CHOICES_MAX = REQUEST_LIMITS.choices * REQUEST_LIMITS.prompts

const Text = z.string().max(REQUEST_LIMITS.textCharacters)
const TextPart = z.strictObject({ type: z.literal('text'), text: Text })
/** A string, or text parts, which are joined; images and audio are refused by their part's type. */
const Content = z
  .union([Text, z.array(TextPart).min(1).max(64)])
  .transform((content) => (typeof content === 'string' ? content : content.map((part) => part.text).join('')))

export const ChatMessage = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: Content,
  name: z.string().max(64).optional(),
})
export type ChatMessage = z.infer<typeof ChatMessage>

const OutputTokens = z.number().int().min(1).max(REQUEST_LIMITS.outputTokens)
const StopSequence = z.string().min(1).max(REQUEST_LIMITS.stopCharacters)
const Sampling = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  /** not OpenAI's, but everybody's: only the likeliest so many tokens; 0 or absent: all */
  top_k: z.number().int().min(0).max(1_000_000).nullish(),
  seed: z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).nullish(),
  stop: z.union([StopSequence, z.array(StopSequence).max(REQUEST_LIMITS.stopSequences)]).nullish(),
}
const Choices = z.number().int().min(1).max(REQUEST_LIMITS.choices)
const StreamOptions = z.strictObject({
  include_usage: z.boolean().optional(),
  include_obfuscation: z.boolean().optional(),
})
/** Only the neutral values: others would be dropped silently by the engines of today. */
const NoPenalties = {
  presence_penalty: z.literal(0).nullish(),
  frequency_penalty: z.literal(0).nullish(),
}
/** OpenRouter's: who may serve it. */
const Routing = { provider: ProviderPreferences.nullish() }
/** Labels for the caller's own books: accepted, not passed on. */
const Labels = {
  user: z.string().max(512).optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: z.literal(false).nullish(),
  service_tier: z.string().max(32).nullish(),
  safety_identifier: z.string().max(512).optional(),
  prompt_cache_key: z.string().max(512).optional(),
}

export const ChatRequest = z.strictObject({
  model: z.string().max(160),
  messages: z.array(ChatMessage).min(1).max(REQUEST_LIMITS.messages),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions.nullish(),
  max_tokens: OutputTokens.nullish(),
  max_completion_tokens: OutputTokens.nullish(),
  ...Sampling,
  n: Choices.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(REQUEST_LIMITS.topLogprobs).nullish(),
  /** `json_object`: the answer is one JSON object, enforced token by token where the engine can */
  response_format: z.strictObject({ type: z.enum(['text', 'json_object']) }).nullish(),
  models: FallbackModels.nullish(),
  ...Routing,
  ...NoPenalties,
  ...Labels,
})
export type ChatRequest = z.infer<typeof ChatRequest>

/** The older surface: text goes on as it is, without a template. */
export const CompletionRequest = z.strictObject({
  model: z.string().max(160),
  prompt: z.union([Text, z.array(Text).min(1).max(REQUEST_LIMITS.prompts)]),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions.nullish(),
  max_tokens: OutputTokens.nullish(),
  ...Sampling,
  n: Choices.nullish(),
  best_of: z.literal(1).nullish(),
  logprobs: z.number().int().min(0).max(5).nullish(),
  echo: z.literal(false).nullish(),
  models: FallbackModels.nullish(),
  ...Routing,
  ...NoPenalties,
  ...Labels,
})
export type CompletionRequest = z.infer<typeof CompletionRequest>

export const EmbeddingRequest = z.strictObject({
  model: z.string().max(160),
  input: z.union([Text.min(1), z.array(Text.min(1)).min(1).max(REQUEST_LIMITS.embeddingInputs)]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  /** shorter vectors, where the model allows it: cut and brought back to length 1 */
  dimensions: z.number().int().min(1).max(65_536).nullish(),
  ...Routing,
  user: z.string().max(512).optional(),
})
export type EmbeddingRequest = z.infer<typeof EmbeddingRequest>

/** OpenAI's: natural logarithms of probabilities under the model itself, before temperature and cuts. `bytes`: UTF-8 of the token. */
const TokenChance = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int().min(0).max(255)).max(4_096).nullable(),
})
export const TokenLogprob = TokenChance.extend({ top_logprobs: z.array(TokenChance).max(REQUEST_LIMITS.topLogprobs) })
export type TokenLogprob = z.infer<typeof TokenLogprob>

export const FinishReason = z.enum(['stop', 'length', 'content_filter'])
export type FinishReason = z.infer<typeof FinishReason>

const Count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
export const Usage = z.object({ prompt_tokens: Count, completion_tokens: Count, total_tokens: Count })
export type Usage = z.infer<typeof Usage>

/** What every answer says beyond OpenAI's: what it cost, who served it, and the proof. Kept under one name so that clients ignore it. */
export const SoukTrailer = z.object({
  callId: z.string(),
  node: z.string(),
  /** The node's signed statement and the salt of its hashes: both verify offline. Null when the node gave none. */
  receipt: z.string().nullable(),
  salt: z.string().nullable(),
  /** drawn by the gateway and sent to the node, since the caller gave none: who would check the receipt, or repeat the answer, needs it */
  seed: z.number().int().optional(),
  /** every node that delivered a part of this answer, or agreed on it, in their order; absent: the one above alone */
  parts: z
    .array(z.object({ node: z.string(), outputTokens: z.number().int(), characters: z.number().int() }))
    .optional(),
})
export type SoukTrailer = z.infer<typeof SoukTrailer>

/** `usage` as callers get it: OpenAI's counts and the exact charge in decimal dollars. */
export const PricedUsage = Usage.extend({ cost: z.string() })
export type PricedUsage = z.infer<typeof PricedUsage>

export const ChatChunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional() }),
      logprobs: z.object({ content: z.array(TokenLogprob), refusal: z.null() }).nullish(),
      finish_reason: FinishReason.nullable(),
    }),
  ),
  usage: PricedUsage.nullish(),
  provider: z.string().optional(),
  souk: SoukTrailer.optional(),
})
export type ChatChunk = z.infer<typeof ChatChunk>

export const ChatCompletion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      message: z.object({ role: z.literal('assistant'), content: z.string() }),
      finish_reason: FinishReason,
      logprobs: z.object({ content: z.array(TokenLogprob), refusal: z.null() }).nullable(),
    }),
  ),
  usage: PricedUsage,
  provider: z.string(),
  souk: SoukTrailer,
})
export type ChatCompletion = z.infer<typeof ChatCompletion>

/** Both the whole reply and a chunk of a stream: OpenAI gives them one object name. */
export const Completion = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      text: z.string(),
      finish_reason: FinishReason.nullable(),
      logprobs: z
        .object({
          tokens: z.array(z.string()),
          token_logprobs: z.array(z.number()),
          top_logprobs: z.array(z.record(z.string(), z.number())).nullable(),
          text_offset: z.array(z.number().int()),
        })
        .nullable(),
    }),
  ),
  usage: PricedUsage.nullish(),
  provider: z.string().optional(),
  souk: SoukTrailer.optional(),
})
export type Completion = z.infer<typeof Completion>

export const EmbeddingReply = z.object({
  object: z.literal('list'),
  model: z.string(),
  /** float: numbers; base64: little-endian float32 bytes, which is what the official clients ask for */
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.number().int(),
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  usage: z.object({ prompt_tokens: Count, total_tokens: Count, cost: z.string() }),
  provider: z.string(),
  souk: SoukTrailer,
})
export type EmbeddingReply = z.infer<typeof EmbeddingReply>

export const ModelView = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.number().int(),
  owned_by: z.string(),
  task: z.enum(['chat', 'embeddings', 'classification', 'ocr', 'tensors']),
  /** tokens of input and output together; null where nothing is counted in tokens */
  context_length: z.number().int().nullable(),
  /** tokens of one choice; null where nothing is */
  max_output_tokens: z.number().int().nullable(),
  /** embeddings: shortest and longest vector that may be asked for; null for all others */
  dimensions: z.object({ min: z.number().int(), max: z.number().int() }).nullable(),
  licence: z.string(),
  digest: z.string(),
  /** deprecated: served, and to be left; withdrawn by its author and blocked by the house: served to nobody, in no list */
  state: z.enum(['active', 'deprecated', 'withdrawn', 'blocked']),
  /** of the state, in words */
  state_reason: z.string().nullable(),
  /** id of the model to use instead */
  replaced_by: z.string().nullable(),
  /** decimal dollars per token, cheapest offer now; null when nobody offers it */
  pricing: z
    .object({
      prompt: z.string(),
      completion: z.string(),
      request: z.string(),
      /** per byte of tensors, in and out */
      byte: z.string(),
      /** the same per million, exactly: per unit they are rounded up to the nano; absent: of a gateway before it said so */
      per_million: z.object({ prompt: z.string(), completion: z.string(), byte: z.string() }).optional(),
    })
    .nullable(),
  nodes: z.number().int(),
})
export type ModelView = z.infer<typeof ModelView>
