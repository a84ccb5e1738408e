// Whether two answers to the same request are alike (rule). Text is compared by characters: machines round differently, and one token that falls otherwise turns everything
// behind it, so what counts is how far two texts go together. Vectors are compared by their angle, tensors by the author's tolerance. What is said of a difference never tells
// an answer.
import type { FinishReason } from '../../../protocol/openai.ts'
import type { Tensor } from '../../../protocol/oip.ts'
import { tensorMismatch, type Tolerance } from '../../../protocol/tensor-match.ts'
import type { Compared } from './suspicion.ts'

export interface Counts {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** `counts`: the node's own, null when it gave none that are */
export type AuditAnswer =
  | {
      readonly kind: 'text'
      readonly choices: readonly { readonly text: string; readonly finish: FinishReason }[]
      readonly counts: Counts | null
    }
  | { readonly kind: 'vectors'; readonly vectors: readonly (readonly number[])[]; readonly counts: Counts | null }
  | { readonly kind: 'tensors'; readonly outputs: readonly Tensor[] }

export interface Likeness {
  /** of which the rest says */
  readonly what: Compared
  readonly isAlike: boolean
  /** 0…1: how much this comparison says, whichever way it went */
  readonly weight: number
}

export const COMPARE = {
  /** share of the longer text up to which two go together, from which they are alike: what parts so late says nothing of a model */
  textAlike: 0.8,
  /** characters of an answer that say as much as any longer one */
  tellingCharacters: 32,
  /** cosine from which two vectors are alike. Rounding costs 1e-6; another quantisation of the same weights up to a hundredth */
  cosineAlike: 0.985,
  /** tokens, and share of the smaller count, by which two counts of the same words may differ: templates and end marks */
  countsApart: 4,
  countsShare: 0.1,
} as const

/** @param tolerance of tensors */
export function likeness(a: AuditAnswer, b: AuditAnswer, tolerance: Tolerance): Likeness {
  if (a.kind === 'text' && b.kind === 'text') return textLikeness(a, b)
  if (a.kind === 'vectors' && b.kind === 'vectors') return vectorLikeness(a, b)
  if (a.kind === 'tensors' && b.kind === 'tensors') {
    const isAlike =
      a.outputs.length === b.outputs.length &&
      a.outputs.every((output) => {
        const other = b.outputs.find(({ name }) => name === output.name)
        return other !== undefined && tensorMismatch(output, other, tolerance) === null
      })
    return { what: 'tensors', isAlike, weight: 1 }
  }
  return { what: 'text', isAlike: false, weight: 1 }
}

type TextAnswer = Extract<AuditAnswer, { kind: 'text' }>
type VectorAnswer = Extract<AuditAnswer, { kind: 'vectors' }>

function textLikeness(a: TextAnswer, b: TextAnswer): Likeness {
  if (a.choices.length !== b.choices.length) return { what: 'text', isAlike: false, weight: 1 }
  const shares = a.choices.map((choice, i) => {
    const other = b.choices[i]
    return other ? sharedPart(choice, other) : 0
  })
  const shared = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)
  // Early and late differences are not the same: a model of another kind parts at once, another rounding of the same one anywhere.
  if (shared < COMPARE.textAlike) return { what: 'text', isAlike: false, weight: (1 - shared) ** 2 }
  // How much came out says something only of the very same text.
  const isSame = a.choices.every(({ text }, i) => text === b.choices[i]?.text)
  if (areCountsApart(a.counts, b.counts, isSame)) return { what: 'usage', isAlike: false, weight: 1 }
  const characters = Math.min(charactersOf(a), charactersOf(b))
  return { what: 'text', isAlike: true, weight: Math.min(1, characters / COMPARE.tellingCharacters) * shared }
}

const charactersOf = ({ choices }: TextAnswer): number => choices.reduce((sum, { text }) => sum + text.length, 0)

type Choice = TextAnswer['choices'][number]

/**
 * How far two texts go together, of the longer one; one that was cut by its length goes with every longer one that begins like it.
 * @example "the cat" cut, "the cat sat" // 1; "the cat", "the dog" // 0.57
 */
export function sharedPart(a: Choice, b: Choice): number {
  const [short, long] = a.text.length <= b.text.length ? [a, b] : [b, a]
  let same = 0
  while (same < short.text.length && short.text[same] === long.text[same]) same++
  if (same === short.text.length && (short.finish === 'length' || same === long.text.length)) return 1
  return same / long.text.length
}

function vectorLikeness(a: VectorAnswer, b: VectorAnswer): Likeness {
  const isAlike =
    a.vectors.length === b.vectors.length &&
    a.vectors.every((vector, i) => cosine(vector, b.vectors[i] ?? []) >= COMPARE.cosineAlike)
  if (isAlike && areCountsApart(a.counts, b.counts, true)) return { what: 'usage', isAlike: false, weight: 1 }
  return { what: 'vectors', isAlike, weight: 1 }
}

/** 0 for vectors of different lengths, and where one is nothing. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return 0
  let [dot, left, right] = [0, 0, 0]
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0
    dot += x * y
    left += x * x
    right += y * y
  }
  return left === 0 || right === 0 ? 0 : dot / Math.sqrt(left * right)
}

/** A node that gives no count says nothing of it here. @param isSameOutput else only what went in is compared */
export function areCountsApart(a: Counts | null, b: Counts | null, isSameOutput: boolean): boolean {
  if (!a || !b) return false
  const apart = (x: number, y: number) =>
    Math.abs(x - y) > Math.max(COMPARE.countsApart, COMPARE.countsShare * Math.min(x, y))
  return apart(a.inputTokens, b.inputTokens) || (isSameOutput && apart(a.outputTokens, b.outputTokens))
}
