// What an answer has cost so far, roughly: nobody but the node knows its tokens before the end. Said as an estimate, and replaced by the charge. Pure.
import { fromUsd, tokens, toUsd, type Nanos } from '../../../protocol/units.ts'
import type { EndpointView } from '../../../protocol/endpoints.ts'
import { costOf } from '../../../protocol/price.ts'

/** of English text, as a rule of thumb */
const CHARACTERS_PER_TOKEN = 4

export const tokensIn = (characters: number): number => Math.ceil(characters / CHARACTERS_PER_TOKEN)

/** Dollars. @param heldUsd what was set aside: the call never costs more */
export function costSoFar(
  characters: { readonly input: number; readonly output: number },
  prices: EndpointView['prices'],
  heldUsd: string,
): string {
  const nanosOf = (usd: string): Nanos => fromUsd(usd)
  const price = {
    inputPerMillion: nanosOf(prices.inputPerMillion),
    outputPerMillion: nanosOf(prices.outputPerMillion),
    cachedInputPerMillion: nanosOf(prices.cachedInputPerMillion),
    bytesPerMillion: nanosOf(prices.bytesPerMillion),
    perCall: nanosOf(prices.perCall),
  }
  const units = {
    inputTokens: tokens(tokensIn(characters.input)),
    outputTokens: tokens(tokensIn(characters.output)),
  }
  const cost = costOf(units, price)
  const held = fromUsd(heldUsd)
  return toUsd(cost < held ? cost : held)
}
