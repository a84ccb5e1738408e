// Drift (rule): how far a node's own counts are from what can be. It states them twice, in its answer and in its receipt; the bytes it sent
// and the order bound both. Nobody is charged for the gap (count.ts); it is remembered, because who counts wrong once counts wrong again.
import type { NodeUsageClaim } from '../../../protocol/node.ts'
import { saidBound, type Observed } from './count.ts'

/** Tokens of a choice that an honest node may have counted though no byte has come of them: an end mark, and the first bytes of a character that is not whole yet. */
const TOKENS_WITHOUT_TEXT = 4

/**
 * Millionths of what the node stated that cannot be so, or that it states differently a second time: 0 for an honest one, null when it stated nothing.
 * @param receipt the counts of its receipt; null without one
 * @example claim 10 + 40, while 20 bytes are at most 20 tokens: 40 - 24 of 50 // 320_000
 */
export function driftPpm(observed: Observed, receipt: NodeUsageClaim | null): number | null {
  const { claim } = observed
  const stated = [claim, receipt].filter((counts) => counts !== null)
  if (stated.length === 0) return null
  const gaps = stated.map((counts) => ppm(beyondBounds(counts, observed), total(counts)))
  return Math.max(...gaps, claim && receipt ? contradiction(claim, receipt) : 0)
}

/** The same of a receipt's count of tensor bytes, which we know ourselves. @example tensorDriftPpm(100, 150) // 333_333 */
export const tensorDriftPpm = (counted: number, stated: number): number =>
  ppm(Math.abs(counted - stated), Math.max(counted, stated))

function beyondBounds({ prompt_tokens, completion_tokens }: NodeUsageClaim, observed: Observed): number {
  const { delivered, bytesPerTokenMin } = observed
  const read = delivered?.isInput ? Math.ceil(delivered.bytes / bytesPerTokenMin) : 0
  const input = Math.max(0, prompt_tokens - Number(observed.most.inputTokens) - read)
  const output = Math.max(0, completion_tokens - saidBound(observed) - TOKENS_WITHOUT_TEXT * (observed.choices ?? 1))
  return input + output
}

function contradiction(a: NodeUsageClaim, b: NodeUsageClaim): number {
  const apart = Math.abs(a.prompt_tokens - b.prompt_tokens) + Math.abs(a.completion_tokens - b.completion_tokens)
  return ppm(apart, Math.max(total(a), total(b)))
}

const total = (counts: NodeUsageClaim): number => counts.prompt_tokens + counts.completion_tokens

/** Never above a million: two statements can be further apart than the larger one is long. */
const ppm = (part: number, whole: number): number =>
  whole === 0 ? 0 : Math.min(1_000_000, Math.floor((part / whole) * 1_000_000))
