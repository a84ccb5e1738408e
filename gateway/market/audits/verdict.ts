// Who of several nodes that were asked the same is right (rule): those who agree with another operator's, when no other group is as large. Two who differ say nothing until a
// third, or an answer that was agreed on before, is heard; a node alone against two of different operators is wrong. Operators count, not nodes: whoever owns ten has one voice.
import type { AccountId } from '../../../protocol/units.ts'
import type { Tolerance } from '../../../protocol/tensor-match.ts'
import { likeness, type AuditAnswer, type Likeness } from './compare.ts'

export interface Voice {
  /** null: an answer that two operators agreed on before */
  readonly operator: AccountId | null
  readonly answer: AuditAnswer
}

export type Judged =
  { readonly outcome: 'right' | 'wrong'; readonly likeness: Likeness } | { readonly outcome: 'undecided' }

/** One for each voice, in their order. */
export function judge(voices: readonly Voice[], tolerance: Tolerance): Judged[] {
  const alike = voices.map((a) => voices.map((b) => likeness(a.answer, b.answer, tolerance)))
  const groups = voices.map((_, i) => voices.flatMap((_, j) => (i === j || alike[i]?.[j]?.isAlike ? [j] : [])))
  const sizes = groups.map((group) => weightOf(group.flatMap((j) => voices[j] ?? [])))
  const largest = Math.max(...sizes)
  const best = groups.filter((_, i) => sizes[i] === largest)
  const winners = new Set(best[0] ?? [])
  // Two groups of the same size that have nobody in common: nobody knows.
  const isTie = best.some((group) => !group.some((j) => winners.has(j)))
  if (largest < MAJORITY || isTie) return voices.map(() => ({ outcome: 'undecided' }))
  return voices.map((_, i) => {
    const others = [...winners].filter((j) => j !== i).flatMap((j) => alike[i]?.[j] ?? [])
    const own = others.find(({ isAlike }) => isAlike === winners.has(i))
    if (winners.has(i)) return own ? { outcome: 'right', likeness: own } : { outcome: 'undecided' }
    // Against the one it comes nearest to: a late parting from one of them is a late parting.
    const nearest = others.reduce<Likeness | null>((low, next) => (low && low.weight <= next.weight ? low : next), null)
    return nearest && !nearest.isAlike ? { outcome: 'wrong', likeness: nearest } : { outcome: 'undecided' }
  })
}

/** voices of different operators that must agree */
const MAJORITY = 2

function weightOf(group: readonly Voice[]): number {
  // One voice: who is alone against an old agreement is wrong only when somebody who is asked now says so as well. Two nodes of one owner
  // could otherwise agree on nonsense once, and have every other operator convicted by it.
  const known = group.some(({ operator }) => operator === null) ? 1 : 0
  return known + new Set(group.flatMap(({ operator }) => operator ?? [])).size
}
