// Which prompts share the next run of the graph: a rule. A run takes a bounded number of tokens, padding included, because running answers wait
// for it; a prompt beyond that is fed in parts, alone. The one that has waited longest is always in it, so nobody is overtaken for ever.

export interface Unfed {
  /** tokens that the graph has not seen yet, at least one */
  readonly tokensLeft: number
  /** a part was fed before: it has a past, and goes on alone */
  readonly isBegun: boolean
}

/** Share of a run that may be padding, as 1 ÷ this: short prompts beside a long one are cheaper in a run of their own. */
const PADDING_SHARE = 4

/** @param unfed longest waiting first, at least one @returns their indexes and how many tokens of each to feed */
export function planPrefill(unfed: readonly Unfed[], tokensMax: number): { index: number; tokens: number }[] {
  const [first] = unfed
  if (!first) return []
  if (first.isBegun || first.tokensLeft > tokensMax)
    return [{ index: 0, tokens: Math.min(first.tokensLeft, tokensMax) }]
  const chosen: { index: number; tokens: number }[] = []
  let longest = 0
  let real = 0
  unfed.forEach(({ tokensLeft, isBegun }, index) => {
    const run = (chosen.length + 1) * Math.max(longest, tokensLeft)
    const padding = run - real - tokensLeft
    if (isBegun || run > tokensMax || padding * PADDING_SHARE > run) return
    chosen.push({ index, tokens: tokensLeft })
    longest = Math.max(longest, tokensLeft)
    real += tokensLeft
  })
  return chosen
}
