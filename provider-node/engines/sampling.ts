// Choosing the next token from logits. Rules: the random number is an argument, so a seed repeats an answer.

export interface Sampling {
  readonly temperature: number
  readonly topP: number
}

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
 * A token drawn from softmax(logits ÷ temperature), restricted to the fewest likeliest tokens whose probabilities reach `topP`
 * (nucleus sampling). Temperature 0 is greedy.
 * @param uniform 0 ≤ uniform < 1
 */
export function sampleToken(logits: Float32Array, { temperature, topP }: Sampling, uniform: number): number {
  const best = greedyToken(logits)
  if (temperature === 0) return best
  const highest = logits[best] ?? 0
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp(((logits[token] ?? -Infinity) - highest) / temperature)
    weights[token] = weight
    total += weight
  }
  const candidates = topP < 1 ? nucleus(weights, total * topP) : null
  return candidates ? draw(candidates, weights, uniform) : draw(weights.keys(), weights, uniform)
}

/** The likeliest tokens whose weights together reach `enough`, likeliest first. */
function nucleus(weights: Float64Array, enough: number): number[] {
  const order = [...weights.keys()].sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b)
  let sum = 0
  const last = order.findIndex((token) => (sum += weights[token] ?? 0) >= enough)
  return last < 0 ? order : order.slice(0, last + 1)
}

function draw(tokens: Iterable<number>, weights: Float64Array, uniform: number): number {
  const candidates = [...tokens]
  const total = candidates.reduce((sum, token) => sum + (weights[token] ?? 0), 0)
  let rest = uniform * total
  for (const token of candidates) {
    rest -= weights[token] ?? 0
    if (rest < 0) return token
  }
  return candidates.find((token) => (weights[token] ?? 0) > 0) ?? 0
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
