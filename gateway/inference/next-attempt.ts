// Whether another node is asked after one that failed, which one, and after which pause (rule).
import type { AttemptFailure } from './failure.ts'
import type { Candidate } from './order.ts'

export interface Failed {
  /** its place among the candidates */
  readonly position: number
  readonly failure: AttemptFailure
}

export interface NextInput {
  readonly candidates: readonly Candidate[]
  /** in the order they failed; at least one */
  readonly failed: readonly Failed[]
  /** whether the last one's candidates may still serve: a part of the answer has reached the caller, and only some can go on from it. Null: none has */
  readonly mayResume: ((candidate: Candidate) => boolean) | null
  /** whether this gateway has not repeated too much lately */
  readonly mayRetry: boolean
  /** 0 ≤ random < 1 */
  readonly random: number
}

export type Next = { readonly do: 'ask'; readonly position: number; readonly waitMs: number } | { readonly do: 'stop' }

export function nextAttempt({ candidates, failed, mayResume, mayRetry }: NextInput): Next {
  const last = failed.at(-1)
  if (!last?.failure.isRetryable || !mayRetry) return { do: 'stop' }
  const position = candidates.findIndex((candidate, index) => index > last.position && (mayResume?.(candidate) ?? true))
  return position === -1 ? { do: 'stop' } : { do: 'ask', position, waitMs: 0 }
}
