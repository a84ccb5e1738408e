// Prices as they are typed: one option per kind, in dollars, checked before anything is asked or changed.
import { OfferPrices } from '../../protocol/node.ts'
import { isPriceTooHigh, priceMaxUsd } from '../../protocol/price.ts'
import { usageError } from '../operator-error.ts'
import type { OptionSpec, ParsedOptions } from './options.ts'

export const PRICE_OPTIONS = {
  input: { type: 'string', value: 'USD', help: 'dollars per million input tokens' },
  output: { type: 'string', value: 'USD', help: 'dollars per million output tokens' },
  'cached-input': { type: 'string', value: 'USD', help: 'dollars per million cached input tokens' },
  bytes: { type: 'string', value: 'USD', help: 'dollars per million tensor bytes' },
  'per-call': { type: 'string', value: 'USD', help: 'dollars per call' },
} as const satisfies Record<string, OptionSpec>

const FIELDS = {
  input: 'inputPerMillion',
  output: 'outputPerMillion',
  'cached-input': 'cachedInputPerMillion',
  bytes: 'bytesPerMillion',
  'per-call': 'perCall',
} as const satisfies Record<keyof typeof PRICE_OPTIONS, keyof OfferPrices>

/** Those that were given. @throws OperatorError with exit code 2 for what is no price */
export function readPrices(options: ParsedOptions): Partial<OfferPrices> {
  const given: Partial<Record<keyof OfferPrices, string>> = {}
  for (const [option, field] of Object.entries(FIELDS)) {
    const text = options.text(option)
    if (text === undefined) continue
    const usd = text.replace(/^\$/, '').replace(/^\./, '0.')
    if (!OfferPrices.shape[field].safeParse(usd).success || isPriceTooHigh(field, usd))
      throw usageError(
        `option --${option} needs dollars, at most ${priceMaxUsd(field)} and with at most nine places, such as 0.05`,
      )
    given[field] = usd
  }
  return given
}
