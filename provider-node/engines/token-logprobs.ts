// OpenAI's log probabilities: natural logarithms of softmax over the model's own logits, before temperature, cuts and masks. A token's text has
// U+FFFD where its bytes are half a character; its `bytes` are exact, so that texts can be put together from them.
import type { TokenLogprob } from '../../protocol/openai.ts'
import { likeliest } from './likeliest.ts'
import type { TokenTable } from './token-table.ts'

/** What stands for a probability of zero, which JSON cannot write as a logarithm: OpenAI's own value. */
export const NEVER = -9_999

/** @param alternatives how many of the likeliest tokens to name, the drawn one possibly among them */
export function tokenLogprob(
  logits: Float32Array,
  token: number,
  alternatives: number,
  tokens: Pick<TokenTable, 'bytes'>,
): TokenLogprob {
  const total = logSumExp(logits)
  const chance = (candidate: number) => {
    const bytes = tokens.bytes(candidate)
    return { token: textOf(bytes), logprob: logprobOf(logits[candidate], total), bytes: [...bytes] }
  }
  return { ...chance(token), top_logprobs: likeliest(logits, alternatives).map(chance) }
}

function logprobOf(logit: number | undefined, total: number): number {
  const logprob = (logit ?? -Infinity) - total
  return logprob > NEVER ? Math.min(0, logprob) : NEVER
}

/** ln Σ exp(logit), with the highest taken out first so that nothing overflows. */
function logSumExp(logits: Float32Array): number {
  let highest = -Infinity
  for (let token = 0; token < logits.length; token++) highest = Math.max(highest, logits[token] ?? -Infinity)
  let sum = 0
  for (let token = 0; token < logits.length; token++) sum += Math.exp((logits[token] ?? -Infinity) - highest)
  return highest + Math.log(sum)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)
