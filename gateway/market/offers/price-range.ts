// What a model costs in the market (rule): the lowest, the middle and the highest price of each kind among live offers, each kind for itself. An
// operator who sets a price sees by it where it stands; nobody's offer is told from another's.
import type { PricesView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import type { Price } from '../../../protocol/price.ts'
import { nanos, toUsd, type Nanos } from '../../../protocol/units.ts'

type Prices = ReturnType<(typeof PricesView)['parse']>

/**
 * Of two middle prices the mean, rounded down to the nano.
 * @example prices 1, 2, 10 and 11 per million: low 1, median 6, high 11
 */
export function priceRange(model: string, prices: readonly Price[]): PriceRange {
  const ofEach = (pick: (sorted: readonly Nanos[]) => Nanos) => (prices.length === 0 ? null : viewOfEach(prices, pick))
  return {
    model,
    offers: prices.length,
    low: ofEach((sorted) => at(sorted, 0)),
    median: ofEach(middle),
    high: ofEach((sorted) => at(sorted, sorted.length - 1)),
  }
}

/** Decimal dollars. */
export const toPricesView = (price: Price): Prices => ({
  inputPerMillion: toUsd(price.inputPerMillion),
  outputPerMillion: toUsd(price.outputPerMillion),
  cachedInputPerMillion: toUsd(price.cachedInputPerMillion),
  bytesPerMillion: toUsd(price.bytesPerMillion),
  perCall: toUsd(price.perCall),
})

function viewOfEach(prices: readonly Price[], pick: (sorted: readonly Nanos[]) => Nanos): Prices {
  const of = (kind: keyof Price) =>
    pick(prices.map((price) => price[kind]).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
  return toPricesView({
    inputPerMillion: of('inputPerMillion'),
    outputPerMillion: of('outputPerMillion'),
    cachedInputPerMillion: of('cachedInputPerMillion'),
    bytesPerMillion: of('bytesPerMillion'),
    perCall: of('perCall'),
  })
}

function middle(sorted: readonly Nanos[]): Nanos {
  const half = sorted.length >> 1
  const upper = at(sorted, half)
  return sorted.length % 2 === 1 ? upper : nanos((at(sorted, half - 1) + upper) / 2n)
}

const at = (sorted: readonly Nanos[], position: number): Nanos => sorted[position] ?? nanos(0n)
