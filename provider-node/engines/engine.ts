// What every engine offers, whatever computes behind it: a chat answer as a stream of text with cumulative counts, or vectors.
// An engine bounds its own queue and refuses with `busy`; a caller who leaves aborts, and the engine stops before its next step.
import type { ChatMessage, FinishReason } from '../../protocol/openai.ts'
import type { NodeErrorCode } from '../../protocol/node.ts'

export interface ChatJob {
  readonly messages: readonly Pick<ChatMessage, 'role' | 'content'>[]
  readonly outputTokensMax: number
  /** 0 is greedy: the likeliest token, always */
  readonly temperature: number
  /** share of probability that is sampled from, 0 < topP ≤ 1 */
  readonly topP: number
  /** the same seed and request give the same answer */
  readonly seed: number
  readonly stop: readonly string[]
}

/** Text since the step before it; `outputTokens` counts all tokens produced until now, the end token not among them. */
export interface ChatStep {
  readonly text: string
  readonly outputTokens: number
  /** null in every step but the last */
  readonly finishReason: FinishReason | null
}

export interface ChatEnd {
  readonly outcome: 'complete' | 'cancelled' | 'failed'
  /** all text produced, also what nobody read any more */
  readonly text: string
  readonly outputTokens: number
  /** tokens that were still produced after the caller had left */
  readonly tokensAfterAbort: number
  /** ms since the Unix epoch; null when no text came */
  readonly firstOutputAt: number | null
}

export interface ChatRun {
  readonly inputTokens: number
  /** One reader. Ends early when aborted. @throws EngineRefusal `internal` when the engine failed */
  readonly steps: AsyncIterable<ChatStep>
  /** Settles once, when the engine has stopped for good; never rejects. */
  readonly ended: Promise<ChatEnd>
}

export interface Vectors {
  /** float32 values, one vector per input */
  readonly vectors: readonly (readonly number[])[]
  readonly inputTokens: number
}

interface EngineBase {
  /** calls being computed, and calls accepted that wait for their turn */
  load(): { inFlight: number; waiting: number }
  isRunning(): boolean
  /** Resolves with the reason when it ended although nobody closed it. */
  readonly died: Promise<string>
  close(): Promise<void>
}

export interface ChatEngine extends EngineBase {
  readonly task: 'chat'
  /** Settles when the input is counted, before the first token. @throws EngineRefusal `busy`, `context_length_exceeded`, `internal` */
  start(job: ChatJob, signal: AbortSignal): Promise<ChatRun>
}

export interface EmbeddingEngine extends EngineBase {
  readonly task: 'embeddings'
  /** @throws EngineRefusal `busy`, `context_length_exceeded`, `internal` */
  embed(inputs: readonly string[], signal: AbortSignal): Promise<Vectors>
}

export type Engine = ChatEngine | EmbeddingEngine

/** Expected refusals of an engine. The message is a fixed sentence: it never quotes the input. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal'
  constructor(
    readonly code: Extract<NodeErrorCode, 'busy' | 'context_length_exceeded' | 'internal'>,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
