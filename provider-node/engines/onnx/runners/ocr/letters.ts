// From the recogniser's columns to a line of text (rule): connectionist temporal classification (Graves et al. 2006), greedy: the likeliest letter
// of every column, repeats joined, blanks left out.

export interface Line {
  readonly text: string
  /** mean probability of its letters, 0…1; 0 for an empty line */
  readonly score: number
}

/** @param columns [count, letters.length] probabilities, the blank first @param letters '' for the blank */
export function readLine(columns: Float32Array, letters: readonly string[]): Line {
  const kept: string[] = []
  let sum = 0
  let before = 0
  for (let start = 0; start + letters.length <= columns.length; start += letters.length) {
    let best = 0
    for (let letter = 1; letter < letters.length; letter++)
      if ((columns[start + letter] ?? 0) > (columns[start + best] ?? 0)) best = letter
    if (best !== 0 && best !== before) {
      kept.push(letters[best] ?? '')
      sum += columns[start + best] ?? 0
    }
    before = best
  }
  return { text: kept.join(''), score: kept.length === 0 ? 0 : sum / kept.length }
}

/** One letter a line, as PaddleOCR's key files have them; the blank before all and the space behind all are not in the file. */
export const lettersOf = (keys: string): string[] => [
  '',
  ...keys.replace(/\r/g, '').replace(/\n$/, '').split('\n'),
  ' ',
]
