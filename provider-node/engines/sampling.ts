// Choosing the next token from logits. Rules: the random number is an argument, so a seed repeats an answer. A vocabulary can be a quarter of a
// million tokens, and this runs for each token of an answer: it is never sorted whole unless a nucleus reaches that far.
import { likeliest } from './likeliest.ts'

export interface Sampling {
  /** 0 is greedy */
  readonly temperature: number
  /** 0 < topP ≤ 1 */
  readonly topP: number
  /** 0: all */
  readonly topK: number
}

/** of a token, relative to the likeliest one's 1 */
type Weight = (token: number) => number

/** A nucleus is found by bins of likelihood, so many and so wide together, in powers of e below the likeliest: only one bin has to be sorted. */
const BINS = 4_096
const BINS_REACH = 32

/** The index of the highest logit; of equal ones the lowest index. */
export function greedyToken(logits: Float32Array): number {
  let best = 0
  let bestLogit = -Infinity
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? -Infinity
    if (logit > bestLogit) {
      bestLogit = logit
      best = token
    }
  }
  return best
}

/**
 * A token drawn from softmax(logits ÷ temperature), restricted to the `topK` likeliest, and of these to the fewest likeliest whose share of
 * their probability reaches `topP`. Of equally likely tokens the lower index counts as likelier.
 * @param uniform 0 ≤ uniform < 1
 */
export function sampleToken(logits: Float32Array, { temperature, topP, topK }: Sampling, uniform: number): number {
  const best = greedyToken(logits)
  const highest = logits[best] ?? -Infinity
  if (temperature === 0 || highest === -Infinity) return best
  const weight = (token: number) => Math.exp(((logits[token] ?? -Infinity) - highest) / temperature)
  const isCut = topK > 0 && topK < logits.length
  if (!isCut && topP >= 1) return drawFromAll(logits, weight, uniform)
  if (isCut) return drawFrom(cutByShare(likeliest(logits, topK), weight, topP), weight, uniform)
  return drawFrom(nucleus(logits, temperature, topP), weight, uniform)
}

/** Choice 0 draws as a call with that seed alone would; the others from seeds of their own that the seed decides. */
export function choiceSeed(seed: number, choice: number): number {
  if (choice === 0) return seed
  const random = seededRandom(seed)
  for (let skipped = 0; skipped < choice * 2; skipped++) random()
  return Math.floor(random() * 2 ** 21) * 2 ** 32 + Math.floor(random() * 2 ** 32)
}

/** Numbers in [0, 1) from a seed (mulberry32 over both halves of the integer). Not for secrets. */
export function seededRandom(seed: number): () => number {
  let state = (Math.trunc(seed) | 0) ^ Math.imul(Math.floor(seed / 2 ** 32) | 0, 0x9e3779b1)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The fewest of these, likeliest first, whose weights reach `topP` of their sum. */
function cutByShare(order: readonly number[], weight: Weight, topP: number): readonly number[] {
  if (topP >= 1) return order
  const enough = topP * sumOf(order, weight)
  let sum = 0
  const last = order.findIndex((token) => (sum += weight(token)) >= enough)
  // Sums in another order can differ in their last digit: then all of them are needed.
  return last < 0 ? order : order.slice(0, last + 1)
}

/** Of all tokens the fewest likeliest whose weights reach `topP` of their sum: whole bins, then the likeliest of the bin that reaches it. */
function nucleus(logits: Float32Array, temperature: number, topP: number): number[] {
  const highest = logits[greedyToken(logits)] ?? -Infinity
  const weights = new Float64Array(logits.length)
  const bins = new Uint16Array(logits.length)
  const sums = new Float64Array(BINS)
  for (let token = 0; token < logits.length; token++) {
    const below = (highest - (logits[token] ?? -Infinity)) / temperature
    const bin = Math.min(BINS - 1, Math.floor(below * (BINS / BINS_REACH)))
    const weight = Math.exp(-below)
    weights[token] = weight
    bins[token] = bin
    sums[bin] = (sums[bin] ?? 0) + weight
  }
  const enough = topP * sums.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  const edge = sums.findIndex((weight) => (sum += weight) >= enough)
  if (edge < 0) return [...logits.keys()]
  sum -= sums[edge] ?? 0
  const chosen: number[] = []
  const atEdge: number[] = []
  for (let token = 0; token < logits.length; token++) {
    if ((bins[token] ?? 0) < edge) chosen.push(token)
    else if (bins[token] === edge) atEdge.push(token)
  }
  for (const token of atEdge.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b)) {
    if (sum >= enough) break
    chosen.push(token)
    sum += weights[token] ?? 0
  }
  return chosen
}

const sumOf = (tokens: readonly number[], weight: Weight): number =>
  tokens.reduce((sum, token) => sum + weight(token), 0)

function sumOfAll(logits: Float32Array, weight: Weight): number {
  let sum = 0
  for (let token = 0; token < logits.length; token++) sum += weight(token)
  return sum
}

function drawFrom(tokens: readonly number[], weight: Weight, uniform: number): number {
  let rest = uniform * sumOf(tokens, weight)
  for (const token of tokens) {
    rest -= weight(token)
    if (rest < 0) return token
  }
  return tokens.find((token) => weight(token) > 0) ?? 0
}

/** In the order of the vocabulary, which needs no list: the weights are computed twice, which costs less than keeping them. */
function drawFromAll(logits: Float32Array, weight: Weight, uniform: number): number {
  let rest = uniform * sumOfAll(logits, weight)
  for (let token = 0; token < logits.length; token++) {
    rest -= weight(token)
    if (rest < 0) return token
  }
  return greedyToken(logits)
}
