// The draw behind `choose`: weighted, without replacement, repeatable by anyone who has the seed and the weights. Its numbers come from the seeded
// generator of protocol/choice.ts, where the payer draws again.

/** What can be drawn from: the first `count`, each as wide as its weight. */
export interface Line {
  /** the weights up to here, this one included; it never falls */
  readonly upTo: Float64Array
  readonly count: number
  /** positions drawn before, which cannot be drawn again; ascending */
  readonly taken: readonly number[]
  /** only for those whose weight is lost beside the others': whether it can be drawn at all */
  readonly canBe: (position: number) => boolean
}

/** A position, with a chance as its weight among those that are left; -1 when none is. @param random 0 ≤ random < 1 */
export function drawOne({ upTo, count, taken, canBe }: Line, random: number): number {
  const begin = (position: number) => upTo[position - 1] ?? 0
  const end = (position: number) => upTo[position] ?? 0
  const takenWeight = taken.reduce((sum, position) => sum + end(position) - begin(position), 0)
  let point = random * Math.max(0, end(count - 1) - takenWeight)
  // As if the taken ones were cut out of the line.
  for (const position of taken) if (point >= begin(position)) point += end(position) - begin(position)
  const found = firstBeyond(upTo, count, point)
  const isLeft = (position: number) => canBe(position) && !taken.includes(position)
  for (let position = found; position < count; position++) if (isLeft(position)) return position
  for (let position = Math.min(found, count) - 1; position >= 0; position--) if (isLeft(position)) return position
  return -1
}

/** The first position whose weight reaches beyond the point, by halving. */
function firstBeyond(upTo: Float64Array, count: number, point: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((upTo[middle] ?? 0) > point) high = middle
    else low = middle + 1
  }
  return low
}
