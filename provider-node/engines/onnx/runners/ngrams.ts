// Features of a text for language identification (rule): relative frequencies of character n-grams, one to four characters, in the order of the
// model's own lists. Made exactly as when the model was converted: letters and marks only, lower case, a space on either side.
import { z } from 'zod'

const List = z.array(z.string().min(1).max(16)).max(100_000)
export const Ngrams = z.object({ unigrams: List, bigrams: List, trigrams: List, quadgrams: List })
export type Ngrams = z.infer<typeof Ngrams>

const KINDS = [
  ['unigrams', 1],
  ['bigrams', 2],
  ['trigrams', 3],
  ['quadgrams', 4],
] as const

/** @example ngramFeatures('aab', { unigrams: ['a'], … })[0] // 2 of the 5 characters of ' aab ' */
export function ngramFeatures(text: string, ngrams: Ngrams): Float32Array {
  const plain = ` ${text
    .replace(/-+/g, ' ')
    .replace(/[^\p{L}\p{M}\s]/gu, '')
    .replace(/\s{2,}/g, ' ')
    .toLowerCase()
    .trim()} `
  return Float32Array.from(KINDS.flatMap(([kind, length]) => frequencies(plain, length, ngrams[kind])))
}

function frequencies(text: string, length: number, wanted: readonly string[]): number[] {
  const counts = new Map<string, number>()
  const total = text.length - length + 1
  for (let start = 0; start < total; start++) {
    const ngram = text.slice(start, start + length)
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1)
  }
  return wanted.map((ngram) => (total > 0 ? (counts.get(ngram) ?? 0) / total : 0))
}
