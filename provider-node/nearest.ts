// What somebody may have meant (rule): the known word with the fewest letters typed wrong, if they are few enough not to be a guess.

/** Letters added, lost, changed or swapped with their neighbour; more are another word. */
const DISTANCE_MAX = 2

/** @example nearest('stauts', ['start', 'status']) // 'status' */
export function nearest(typed: string, known: readonly string[]): string | null {
  const ranked = known.map((word) => ({ word, steps: distance(typed, word) })).sort((a, b) => a.steps - b.steps)
  const [best] = ranked
  return best && best.steps <= DISTANCE_MAX && best.steps < best.word.length / 2 ? best.word : null
}

/** Damerau and Levenshtein's, neighbours swapped once (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    rows.push(line)
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      line.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (isSame ? 0 : 1),
          isSwapped ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      )
    }
  }
  return at(a.length, b.length)
}
