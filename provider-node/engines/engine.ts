// What every engine offers, whatever computes behind it: text as a stream of steps with cumulative counts, vectors, or tensors.
// An engine bounds its own queue and refuses with `busy` at once; a caller who leaves aborts, and the engine drops it before its next step.
import type { InferAnswer, InferRequest } from '../../protocol/oip.ts'
import type { ChatMessage, FinishReason, TokenLogprob } from '../../protocol/openai.ts'
import type { NodeErrorCode } from '../../protocol/node.ts'
import type { Honours } from './honours.ts'

/** What every job says of whose it is: fairness is between accounts, and nobody is computed for after the deadline. */
export interface JobOwner {
  /** the ticket's pseudonym */
  readonly account: string
  /** ms since the Unix epoch: whoever has not begun by then is refused `busy` */
  readonly startBy: number
}

export type Prompt =
  | { readonly kind: 'chat'; readonly messages: readonly Pick<ChatMessage, 'role' | 'content'>[] }
  | { readonly kind: 'text'; readonly text: string }

export interface TextJob extends JobOwner {
  readonly prompt: Prompt
  /** text of the answer that was delivered before: the answer goes on behind it; '' to begin. With it there is one choice. */
  readonly prefix: string
  readonly outputTokensMax: number
  /** 0 is greedy: the likeliest token, always */
  readonly temperature: number
  /** share of probability that is sampled from, 0 < topP ≤ 1 */
  readonly topP: number
  /** the likeliest so many tokens are sampled from; 0: all */
  readonly topK: number
  /** the same seed and request give the same answer; choice i draws from `choiceSeed(seed, i)` */
  readonly seed: number
  readonly stop: readonly string[]
  readonly choices: number
  /** how many alternatives to name beside each token; null: no log probabilities at all */
  readonly logprobs: number | null
  /** the answer is one JSON object */
  readonly isJson: boolean
}

/** Text of one choice since the step before it. */
export interface TextStep {
  readonly choice: number
  readonly text: string
  /** all tokens of all choices produced until now, end tokens not among them */
  readonly outputTokens: number
  /** of the tokens whose text ends in this step; empty unless asked for */
  readonly logprobs: readonly TokenLogprob[]
  /** null in every step of a choice but its last */
  readonly finishReason: FinishReason | null
}

export interface TextEnd {
  readonly outcome: 'complete' | 'cancelled' | 'failed'
  /** per choice, all text produced, also what nobody read any more */
  readonly texts: readonly string[]
  readonly outputTokens: number
  /** tokens that were still produced after the caller had left */
  readonly tokensAfterAbort: number
  /** ms since the Unix epoch; null when no text came */
  readonly firstOutputAt: number | null
}

export interface TextRun {
  /** read it when it is told: an engine before another server estimates until that has counted, which is before the last step */
  readonly inputTokens: number
  /** One reader. Ends after every choice's last step; early when aborted. @throws EngineRefusal `internal` when the engine failed */
  readonly steps: AsyncIterable<TextStep>
  /** Settles once, when the engine has stopped for good; never rejects. */
  readonly ended: Promise<TextEnd>
}

export interface EmbeddingJob extends JobOwner {
  readonly inputs: readonly string[]
  /** null: all of the model's */
  readonly dimensions: number | null
}

export interface Vectors {
  /** float32 values, one vector per input */
  readonly vectors: readonly (readonly number[])[]
  readonly inputTokens: number
}

export interface InferJob extends JobOwner {
  readonly request: InferRequest
}

/** What an engine tells whoever counts; every number is finite, and none tells of a prompt. */
export interface EngineObserver {
  /** one run of a graph, or of a step, over so many calls */
  batch(calls: number): void
  /** seconds a call waited before it was first computed. @param call its own signal, by which its line in the log finds the number again */
  waited(seconds: number, call?: AbortSignal): void
  /** something an operator should read once: a provider that fell back, say */
  warn(event: string, fields: Readonly<Record<string, string | number>>): void
}

interface EngineBase {
  /** calls being computed, and calls accepted that wait for their turn */
  load(): { inFlight: number; waiting: number }
  isRunning(): boolean
  /** what computes, for the operator: `{ engine: 'onnx', provider: 'cpu', threads: 2, sessions: 1 }` */
  describe(): Readonly<Record<string, string | number>>
  /** what of a request it honours; null: it was never loaded, and it depends on that */
  honours(): Honours | null
  /** Resolves with the reason when it ended although nobody closed it. */
  readonly died: Promise<string>
  close(): Promise<void>
}

export interface TextEngine extends EngineBase {
  readonly task: 'chat'
  /** Settles when the input is counted, before the first token. @throws EngineRefusal */
  start(job: TextJob, signal: AbortSignal): Promise<TextRun>
}

export interface EmbeddingEngine extends EngineBase {
  readonly task: 'embeddings'
  /** @throws EngineRefusal */
  embed(job: EmbeddingJob, signal: AbortSignal): Promise<Vectors>
}

export interface TensorEngine extends EngineBase {
  readonly task: 'classification' | 'ocr' | 'tensors'
  /** Outputs in the order asked for, else in the model's. @throws EngineRefusal, `bad_request` naming the tensor that does not fit */
  infer(job: InferJob, signal: AbortSignal): Promise<InferAnswer>
}

export type Engine = TextEngine | EmbeddingEngine | TensorEngine

/** Expected refusals of an engine. The message is a fixed sentence: it never quotes the input, but may name a field or a tensor. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal'
  constructor(
    readonly code: Extract<
      NodeErrorCode,
      'busy' | 'bad_request' | 'context_length_exceeded' | 'content_filter' | 'unsupported_parameter' | 'internal'
    >,
    message: string,
    readonly options?: ErrorOptions & { readonly retryAfterSeconds?: number },
  ) {
    super(message, options)
  }
}
