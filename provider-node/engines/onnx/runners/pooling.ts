// From a vector per token to one per text (rule), brought to the length and the number of dimensions that were asked for.
import type { ModelManifest } from '../../../../protocol/model.ts'

export type Pooling = Exclude<NonNullable<ModelManifest['pooling']>, 'none'>

/**
 * @param states row-major [texts, longest, width]; rows are padded behind their text
 * @param lengths tokens of each text, at least one
 * @example mean of a text of two tokens (1, 2) and (3, 4), padded to three // (2, 3)
 */
export function pooled(states: Float32Array, lengths: readonly number[], width: number, how: Pooling): Float32Array[] {
  const longest = states.length / (lengths.length * width)
  return lengths.map((length, text) => {
    const token = (at: number) => states.subarray((text * longest + at) * width, (text * longest + at + 1) * width)
    if (how === 'cls') return token(0).slice()
    if (how === 'last') return token(length - 1).slice()
    // Summed in doubles, so that the order of a long text's tokens leaves no trace.
    const sum = new Float64Array(width)
    for (let at = 0; at < length; at++) token(at).forEach((value, index) => (sum[index] = (sum[index] ?? 0) + value))
    return Float32Array.from(sum, (value) => value / length)
  })
}

/** Length 1; the zero vector has no direction and stays. */
export function normalised(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length === 0 ? vector : vector.map((value) => value / length)
}

/** The first so many dimensions, brought back to length 1; null: the vector as it is. */
export const shortened = (vector: Float32Array, dimensions: number | null): Float32Array =>
  dimensions === null || dimensions === vector.length ? vector : normalised(vector.slice(0, dimensions))
