// The best few of many, in one pass: sorting ten thousand to take four costs more than everything else a choice does.

/**
 * The best `count` of 0…size-1, best first; of two that are alike the lower number comes first.
 * @param comesBefore whether the first is strictly better
 * @example bestOf(3, 2, (a, b) => a > b) // [2, 1]
 */
export function bestOf(size: number, count: number, comesBefore: (a: number, b: number) => boolean): number[] {
  const best: number[] = []
  if (count <= 0) return best
  for (let k = 0; k < size; k++) {
    const last = best.length === count ? best[count - 1] : undefined
    if (last !== undefined && !comesBefore(k, last)) continue
    let spot = best.length
    while (spot > 0 && comesBefore(k, best[spot - 1] ?? 0)) spot--
    best.splice(spot, 0, k)
    if (best.length > count) best.pop()
  }
  return best
}
