// Requests of audits in words (rule): made after the shape of a call that came, with the same path, nearly the same size, as many messages, the same limits and sampling, and
// words of our own. Body and bounds are those the inference room would make of the same request, field by field in the same order: a test holds the two against each other.
import { utf8ToBytes } from '../../../protocol/canonical.ts'
import type { ModelManifest } from '../../../protocol/model.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import type { CallShape, Offer } from '../market-port.ts'
import { textOf, type Random } from './vocabulary.ts'

/** What one node is sent, and the bounds of its ticket. */
export interface AuditBody {
  readonly body: string
  readonly inputTokensMax: number
  readonly outputTokensMax: number
}

/** A request in words, for whoever offers the model. JSON: agreed ones are kept. */
export interface TextAudit {
  readonly path: string
  readonly content:
    | { readonly messages: readonly { readonly role: string; readonly content: string }[] }
    | { readonly prompt: string | readonly string[] }
    | { readonly input: readonly string[] }
  readonly maxTokens: number | null
  /** as the request has them: temperature, top_p, top_k, stop, n, logprobs; top_logprobs, response_format; dimensions */
  readonly sampling: Readonly<Record<string, unknown>>
  /** sent to who honours one */
  readonly seed: number
}

/** What is asked while nothing is known of a model's calls. */
export const DEFAULT_SHAPES: readonly CallShape[] = [
  { path: NODE_PATHS.chat, bodyBytes: 260, parts: 1, maxTokens: 128, sampling: { temperature: 0 } },
  { path: NODE_PATHS.chat, bodyBytes: 480, parts: 2, maxTokens: 256, sampling: { temperature: 0 } },
  { path: NODE_PATHS.chat, bodyBytes: 900, parts: 3, maxTokens: 200, sampling: { temperature: 0 } },
]
export const DEFAULT_VECTOR_SHAPES: readonly CallShape[] = [
  { path: NODE_PATHS.embeddings, bodyBytes: 180, parts: 1, sampling: {} },
  { path: NODE_PATHS.embeddings, bodyBytes: 700, parts: 4, sampling: {} },
]

/** bytes either way by which a body's size differs from its shape's */
const SIZE_JITTER = 4
/** bytes of the bodies that are imitated: what costs a fortune tells no more. Nothing is cut, which would be a size of audits alone */
const BODY_BYTES_MAX = 32_768
const PARTS_MAX = 64
/** tokens of a completion that names no limit: OpenAI's default */
const COMPLETION_TOKENS = 16
const STOPS = ['\n\n', '###', 'END', 'User:']
/** what people write where they give a seed */
const OWN_SEEDS = [42, 42, 42, 0, 1, 7, 123, 1234]

/** Whether a call of this shape is imitated. */
export const isImitable = ({ bodyBytes, parts, path }: CallShape): boolean =>
  bodyBytes <= BODY_BYTES_MAX && parts <= PARTS_MAX && path !== NODE_PATHS.infer

/** @param offer one of those that are asked: its body is the one that gets the shape's size */
export function textAudit(
  shape: CallShape,
  { id, outputTokensMax }: ModelManifest,
  offer: Offer,
  random: Random,
): TextAudit {
  const seed =
    shape.sampling.seed === true
      ? (OWN_SEEDS[Math.floor(random() * OWN_SEEDS.length)] ?? 0)
      : Math.floor(random() * 2 ** 31)
  const draft: Omit<TextAudit, 'content'> = {
    path: shape.path,
    maxTokens: maxTokensOf(shape, outputTokensMax),
    sampling: samplingOf(shape, random),
    seed,
  }
  const made = (texts: readonly string[]): TextAudit => ({ ...draft, content: contentOf(shape, texts) })
  const parts = Math.max(1, shape.parts)
  const bare = utf8ToBytes(bodyOf(made(Array.from({ length: parts }, () => '')), id, offer)).byteLength
  const wanted = shape.bodyBytes + Math.round((random() * 2 - 1) * SIZE_JITTER)
  const sizes = divided(Math.max(parts * 3, wanted - bare), parts, random)
  return made(sizes.map((bytes) => textOf(bytes, random)))
}

/** What goes to one node. */
export function textBody(audit: TextAudit, manifest: ModelManifest, offer: Offer): AuditBody {
  const { content, maxTokens } = audit
  const body = bodyOf(audit, manifest.id, offer)
  const choices = typeof audit.sampling.n === 'number' ? audit.sampling.n : 1
  if ('messages' in content) {
    const inputTokensMax = inputBound(jsonBytes(content.messages), content.messages.length, manifest)
    return { body, inputTokensMax, outputTokensMax: choices * (maxTokens ?? 0) }
  }
  if ('input' in content) {
    const count = content.input.length
    return { body, inputTokensMax: inputBound(jsonBytes(content.input), count, manifest, count), outputTokensMax: 0 }
  }
  const prompts = typeof content.prompt === 'string' ? [content.prompt] : content.prompt
  return {
    body,
    inputTokensMax: prompts.reduce((sum, prompt) => sum + inputBound(jsonBytes(prompt), 0, manifest), 0),
    outputTokensMax: prompts.length * choices * (maxTokens ?? 0),
  }
}

function maxTokensOf({ path, maxTokens }: CallShape, modelMax: number): number | null {
  if (path === NODE_PATHS.embeddings) return null
  return Math.min(maxTokens ?? (path === NODE_PATHS.completions ? COMPLETION_TOKENS : modelMax), modelMax)
}

/** Whether two nodes can be expected to answer it alike: what is drawn by chance only where both draw by the same seed. */
export function isRepeatable({ path, sampling }: Pick<TextAudit, 'path' | 'sampling'>, offers: readonly Offer[]) {
  if (path === NODE_PATHS.embeddings || sampling.temperature === 0) return true
  return offers.every(({ parameters, assurance }) => parameters?.has('seed') === true && assurance === 'pinned')
}

function bodyOf({ content, maxTokens, sampling, seed }: TextAudit, model: string, offer: Offer): string {
  if ('input' in content)
    return JSON.stringify({ model, input: content.input, ...given({ dimensions: sampling.dimensions }) })
  const { temperature, top_p, top_k, stop, n, logprobs, top_logprobs, response_format } = sampling
  const isSeeded = offer.parameters?.has('seed') === true
  const parameters = {
    stream: true,
    max_tokens: Math.min(maxTokens ?? 0, offer.outputTokensMax),
    ...given({ temperature, top_p, top_k, seed: isSeeded ? seed : null, stop, n, logprobs }),
  }
  return JSON.stringify({ model, ...content, ...parameters, ...given({ top_logprobs, response_format }) })
}

/** The shape's own values; of those it only tells the presence of, ours. */
function samplingOf({ path, sampling }: CallShape, random: Random): Record<string, unknown> {
  const { temperature, top_p, top_k, n, logprobs, top_logprobs, dimensions, stop, response_format } = sampling
  if (path === NODE_PATHS.embeddings) return given({ dimensions })
  const stops = typeof stop === 'number' ? Math.min(stop, STOPS.length) : 0
  const from = Math.floor(random() * STOPS.length)
  return given({
    temperature,
    top_p,
    top_k,
    stop: stops > 0 ? Array.from({ length: stops }, (_, i) => STOPS[(from + i) % STOPS.length]) : undefined,
    n,
    logprobs,
    ...(path === NODE_PATHS.chat
      ? { top_logprobs, response_format: typeof response_format === 'string' ? { type: response_format } : undefined }
      : {}),
  })
}

function contentOf({ path }: CallShape, texts: readonly string[]): TextAudit['content'] {
  if (path === NODE_PATHS.embeddings) return { input: texts }
  if (path === NODE_PATHS.completions) return { prompt: texts.length === 1 ? (texts[0] ?? '') : texts }
  // The last word is the user's; an even number of messages begins with the system's.
  const isEven = texts.length % 2 === 0
  const roleOf = (i: number) => (isEven && i === 0 ? 'system' : (texts.length - i) % 2 === 1 ? 'user' : 'assistant')
  return { messages: texts.map((content, i) => ({ role: roleOf(i), content })) }
}

/** So many bytes in so many parts, none of them nothing. */
function divided(bytes: number, parts: number, random: Random): number[] {
  const weights = Array.from({ length: parts }, () => 0.3 + random())
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const sizes = weights.map((weight) => Math.max(3, Math.floor((bytes * weight) / total)))
  const rest = bytes - sizes.reduce((sum, size) => sum + size, 0)
  return sizes.map((size, i) => (i === parts - 1 ? Math.max(3, size + rest) : size))
}

/** The very bound that a call's ticket names (the inference room's quote). */
function inputBound(bytes: number, messages: number, manifest: ModelManifest, contexts = 1): number {
  const { bytesPerTokenMin, templateTokens, contextTokens } = manifest
  const most = Math.ceil(bytes / bytesPerTokenMin) + templateTokens.fixed + templateTokens.perMessage * messages
  return Math.min(most, contextTokens * contexts)
}

const jsonBytes = (value: unknown): number => utf8ToBytes(JSON.stringify(value)).byteLength

const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))
