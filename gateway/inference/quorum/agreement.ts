// When answers of several nodes are the same answer, and when enough of them are (rule). Text is equal to the character, with the same end, for
// every choice: each call has a seed. Vectors and tensors may differ by what machines and batches round differently. A group is all who are alike
// to one of them, which is the answer given: so nobody is given an answer that fewer than `agree` nodes stand for.
import type { Tensor } from '../../../protocol/oip.ts'
import { tensorMismatch, TOLERANCE } from '../../../protocol/tensor-match.ts'

export type IsAlike<Answer> = (answer: Answer, known: Answer) => boolean

export const VECTOR_TOLERANCE = {
  /** cosine between two vectors of one text; halves and eight-bit weights of one model stay above it */
  cosineMin: 0.999,
  /** one may be longer than the other by this share: a cosine alone says nothing of length */
  lengthShare: 0.01,
} as const

/** Of `agree` asked for or not: the majority. @example 3 nodes: 2; 4 nodes: 3 */
export const agreeOf = ({ n, agree }: { readonly n: number; readonly agree?: number | undefined }): number =>
  agree ?? Math.floor(n / 2) + 1

/**
 * The largest group, the one whose answer came first where two are as large. Its first member is the one whose answer is given.
 * @param answers in the order they came
 * @returns positions among them; empty without answers
 */
export function largestGroup<Answer>(answers: readonly Answer[], isAlike: IsAlike<Answer>): readonly number[] {
  const groups = answers.map((known, anchor) => [
    anchor,
    ...answers.flatMap((answer, position) => (position !== anchor && isAlike(answer, known) ? [position] : [])),
  ])
  return groups.reduce((largest, group) => (group.length > largest.length ? group : largest), groups[0] ?? [])
}

interface SaidText {
  readonly choices: readonly { readonly text: string; readonly finishReason: string }[]
}

export const isSameText: IsAlike<SaidText> = (answer, known) =>
  answer.choices.length === known.choices.length &&
  answer.choices.every(({ text, finishReason }, index) => {
    const other = known.choices[index]
    return other !== undefined && text === other.text && finishReason === other.finishReason
  })

interface SaidVectors {
  readonly vectors: readonly (readonly number[])[]
}

export const isSameVectors: IsAlike<SaidVectors> = (answer, known) =>
  answer.vectors.length === known.vectors.length &&
  answer.vectors.every((vector, index) => isNearVector(vector, known.vectors[index] ?? []))

/** Two vectors of zeros are alike; one of zeros is like no other. */
function isNearVector(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  let product = 0
  let aSquared = 0
  let bSquared = 0
  for (let i = 0; i < a.length; i++) {
    const [x = 0, y = 0] = [a[i], b[i]]
    product += x * y
    aSquared += x * x
    bSquared += y * y
  }
  if (aSquared === 0 || bSquared === 0) return aSquared === bSquared
  const [longer, shorter] = [Math.sqrt(Math.max(aSquared, bSquared)), Math.sqrt(Math.min(aSquared, bSquared))]
  const isAsLong = longer <= shorter * (1 + VECTOR_TOLERANCE.lengthShare)
  return isAsLong && product >= VECTOR_TOLERANCE.cosineMin * longer * shorter
}

interface SaidTensors {
  readonly outputs: readonly Tensor[]
}

/** In whatever order: a node says its outputs in its own. */
export const isSameTensors: IsAlike<SaidTensors> = (answer, known) =>
  answer.outputs.length === known.outputs.length &&
  known.outputs.every((output) => {
    const same = answer.outputs.find(({ name }) => name === output.name)
    return same !== undefined && tensorMismatch(same, output, TOLERANCE) === null
  })
