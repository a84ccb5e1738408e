// Quote (rule): the highest a call can cost, from the request's bytes and the offers that may serve it. The hold is this amount, so a call
// never costs more. The gateway has no tokenizer: the bound is bytes ÷ the model's fewest bytes per token, plus its template.
import { costOf, type Units } from '../../../protocol/price.ts'
import { nanos, tokens, type Nanos, type Tokens } from '../../../protocol/units.ts'
import type { Model, Offer } from '../../market/market-port.ts'

/**
 * Most tokens an input of so many UTF-8 bytes can have. @example inputBound(100, 1, …) with 4 fixed and 3 a message // 107n
 * @param contexts how many times the model's context may be filled: 1, or the number of separate inputs
 */
export function inputBound(bytes: number, messages: number, model: Model, contexts = 1): Tokens {
  // A longer input is refused by the node, so the context is a bound as well and keeps the hold small.
  return tokens(Math.min(Number(lengthBound(bytes, messages, model)), model.manifest.contextTokens * contexts))
}

/** The same for one sequence, whether or not it fits the context: a node that calls it too long may be right only where this is. */
export function lengthBound(bytes: number, messages: number, { manifest }: Model): bigint {
  const { bytesPerTokenMin, templateTokens } = manifest
  return BigInt(Math.ceil(bytes / bytesPerTokenMin) + templateTokens.fixed + templateTokens.perMessage * messages)
}

/** The same for texts without a template, each a context of its own. @param bytes of each. @example [100, 10] with 4 fixed // 118n */
export function promptsBound(bytes: readonly number[], model: Model): Tokens {
  return tokens(bytes.reduce((sum, each) => sum + Number(inputBound(each, 0, model)), 0))
}

/**
 * Fewest tokens a text of so many UTF-8 bytes can have, and one of output behind it: what surely does not fit is refused before anything is held. Of
 * text for chat and completions only, whose vocabularies have no token for a whole unknown word. @example 256_000 bytes // 1_001
 */
export const leastTokens = (bytes: number): number => Math.floor(bytes / LONGEST_TOKEN_BYTES) + 1

/** bytes: the longest tokens of today's vocabularies are 128 spaces */
const LONGEST_TOKEN_BYTES = 256

/** What the node may produce at most of one choice: what was asked for, clamped to what the model can. */
export function outputBound(asked: number | null | undefined, model: Model): Tokens {
  const { outputTokensMax } = model.manifest
  return tokens(Math.min(asked ?? outputTokensMax, outputTokensMax))
}

/** Bytes of a text as it is sent. */
export const utf8Bytes = (body: string | Uint8Array): number =>
  typeof body === 'string' ? new TextEncoder().encode(body).byteLength : body.byteLength

/** Highest possible cost over who may serve. @example quote of 12 tokens in and 100 out at 10 nanos a token // 1_120n nanos */
export function quote(candidates: readonly { readonly most: Units; readonly offer: Pick<Offer, 'price'> }[]): Nanos {
  return candidates.reduce<Nanos>((highest, { most, offer }) => {
    const cost = costOf(most, offer.price)
    return cost > highest ? cost : highest
  }, nanos(0n))
}
