// Whether another node is asked after one that failed, which one, and after which pause (rule). Each candidate is asked once, and a node that failed
// by itself under no other model either: hammering a node in trouble helps nobody. The one exception is a node that said when to come back, if that
// is soon and nobody else is left. What a model refuses is not asked of it again, and may go to one that takes more.
import type { Candidate } from '../order/order.ts'
import { timedOut, type AttemptFailure } from './failure.ts'

export const NEXT_ATTEMPT = {
  /** ms a caller waits for a node that is busy, when nobody else is left: longer, and the caller better comes back itself */
  waitMostMs: 2_000,
  /** ms over which those that wait for one node come back: all at once, they would find it busy again */
  jitterMs: 250,
  /** nodes of a model that called the request wrong, before it is believed: one alone could end calls that are right */
  wrongSaidBy: 2,
} as const

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

export function nextAttempt({ candidates, failed, mayResume, mayRetry, random }: NextInput): Next {
  const last = failed.at(-1)
  if (!last || !mayRetry || !(last.failure.isRetryable || last.failure.isOfModel)) return { do: 'stop' }
  const tried = new Set(failed.map(({ position }) => position))
  const isOpen = (candidate: Candidate) => (mayResume?.(candidate) ?? true) && !isRefused(candidate, candidates, failed)
  const fresh = candidates.findIndex(
    (candidate, position) => !tried.has(position) && isOpen(candidate) && !isSpent(candidate, candidates, failed),
  )
  // No pause before somebody else: that one is not in trouble.
  if (fresh !== -1) return { do: 'ask', position: fresh, waitMs: 0 }
  const wasWaitedFor = tried.size < failed.length
  const soonest = wasWaitedFor ? null : soonestBack(candidates, failed, isOpen)
  if (!soonest) return { do: 'stop' }
  return { do: 'ask', position: soonest.position, waitMs: soonest.ms + Math.floor(random * NEXT_ATTEMPT.jitterMs) }
}

/**
 * Whether somebody else would be asked if the one at `position` stayed silent: it then has the short limits, for a caller should not wait for one
 * when another can be had.
 */
export function hasAnother(input: Omit<NextInput, 'random'>, position: number): boolean {
  const failed = [...input.failed, { position, failure: timedOut() }]
  return nextAttempt({ ...input, failed, random: 0 }).do === 'ask'
}

/** Its node failed by itself, was busy or away: under another model it is the same machine. */
const isSpent = (candidate: Candidate, candidates: readonly Candidate[], failed: readonly Failed[]): boolean =>
  failed.some(
    ({ position, failure }) => !failure.isOfModel && candidates[position]?.offer.nodeId === candidate.offer.nodeId,
  )

/** What was said of the request holds for this candidate too. */
function isRefused(candidate: Candidate, candidates: readonly Candidate[], failed: readonly Failed[]): boolean {
  const isOfIt = ({ position }: Failed) => candidates[position]?.model.id === candidate.model.id
  const wrong = failed.filter((each) => isOfIt(each) && each.failure.options.said === 'bad_request')
  if (new Set(wrong.map(({ position }) => position)).size >= NEXT_ATTEMPT.wrongSaidBy) return true
  return failed.some((each) => {
    const { code } = each.failure
    if (code === 'content_filter') return isOfIt(each)
    if (code !== 'context_length_exceeded') return false
    const refused = candidates[each.position]?.offer.contextTokens ?? 0
    return candidate.offer.contextTokens <= refused
  })
}

/** Of those that said when to come back, the one that is free first, if that is soon. */
function soonestBack(
  candidates: readonly Candidate[],
  failed: readonly Failed[],
  isOpen: (candidate: Candidate) => boolean,
): { readonly position: number; readonly ms: number } | null {
  const back = failed.flatMap(({ position, failure }) => {
    const candidate = candidates[position]
    const ms = failure.retryAfterMs
    if (!candidate || !failure.isRetryable || ms === null || ms > NEXT_ATTEMPT.waitMostMs) return []
    return isOpen(candidate) ? [{ position, ms }] : []
  })
  return back.reduce<(typeof back)[number] | null>((low, each) => (low && low.ms <= each.ms ? low : each), null)
}
