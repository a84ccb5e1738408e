// The few highest of many logits, without sorting them all: a heap of those kept so far, with the lowest of them on top.

/** The indices of the `count` highest logits, highest first; of equal ones the lower index first. */
export function likeliest(logits: Float32Array, count: number): number[] {
  const kept: number[] = []
  if (count < 1) return kept
  const isBelow = (a: number, b: number) => {
    const difference = (logits[a] ?? -Infinity) - (logits[b] ?? -Infinity)
    // Not a number where both are infinite: then the index decides.
    return difference < 0 || (!(difference > 0) && a > b)
  }
  let lowest = -Infinity
  for (let token = 0; token < logits.length; token++) {
    if (kept.length < count) {
      kept.push(token)
      rise(kept, isBelow)
    } else if ((logits[token] ?? -Infinity) > lowest) {
      kept[0] = token
      sink(kept, isBelow)
    } else continue
    lowest = logits[kept[0] ?? 0] ?? -Infinity
  }
  return kept.sort((a, b) => (isBelow(a, b) ? 1 : -1))
}

type Below = (a: number, b: number) => boolean

/** The last one goes up to its place. */
function rise(heap: number[], isBelow: Below): void {
  let at = heap.length - 1
  const item = heap[at] ?? 0
  while (at > 0) {
    const above = (at - 1) >> 1
    const parent = heap[above] ?? 0
    if (!isBelow(item, parent)) break
    heap[at] = parent
    at = above
  }
  heap[at] = item
}

/** The first one goes down to its place. */
function sink(heap: number[], isBelow: Below): void {
  const item = heap[0] ?? 0
  let at = 0
  for (;;) {
    let below = 2 * at + 1
    if (below >= heap.length) break
    if (below + 1 < heap.length && isBelow(heap[below + 1] ?? 0, heap[below] ?? 0)) below += 1
    const child = heap[below] ?? 0
    if (!isBelow(child, item)) break
    heap[at] = child
    at = below
  }
  heap[at] = item
}
