// What others ask for a model, as the gateway tells everybody; and what is to be said of a price beside that.
import { createClient, SoukError } from '../protocol/client.ts'
import type { OfferPrices } from '../protocol/node.ts'
import { PriceRangeReply, type PriceRange } from '../protocol/operator.ts'
import { fromUsd } from '../protocol/units.ts'
import type { GatewayApi } from './gateway-api.ts'
import { NODE_LIMITS } from './limits.ts'
import { OperatorError } from './operator-error.ts'

/**
 * What others ask: a registered node is told without its own offers, anybody else of all.
 * @param api with the node's own key; null before it is registered
 * @throws as {@link marketPrices}
 */
export async function othersPrices(gateway: string, model: string, api: Pick<GatewayApi, 'status'> | null) {
  const status = await api?.status().catch(() => null)
  return status?.prices.find((range) => range.model === model) ?? marketPrices(gateway, model)
}

/** Of all live offers. @throws OperatorError when the gateway does not know the model; SoukError or TypeError when it cannot be asked */
export async function marketPrices(gateway: string, model: string): Promise<PriceRange> {
  const client = createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs })
  const path = `/api/models/${model.split('/').map(encodeURIComponent).join('/')}/prices`
  return client.send('GET', path, PriceRangeReply).catch((cause: unknown) => {
    if (cause instanceof SoukError && cause.status === 404)
      throw new OperatorError(
        `the gateway does not know the model ${model}: its author publishes it first (souk-node publish)`,
      )
    throw cause
  })
}

/** The gateway leaves offers out beyond so many times the cheapest, while a cheaper one can serve. */
const CAP_TIMES = 2n

const KINDS = [
  ['inputPerMillion', 'input'],
  ['outputPerMillion', 'output'],
  ['bytesPerMillion', 'bytes'],
  ['perCall', 'per call'],
] as const

/**
 * Sentences about prices that are far from the market's (rule).
 * @example of 0.11 where the lowest is 0.05: 'input 0.11 is more than twice the lowest, 0.05: …'; of 0.10: none
 */
export function priceWarnings(prices: OfferPrices, { low, median }: PriceRange): string[] {
  if (!low || !median) return []
  return KINDS.flatMap(([kind, name]) => {
    const own = fromUsd(prices[kind] ?? '0')
    const [least, middle] = [fromUsd(low[kind]), fromUsd(median[kind])]
    // Twice nothing is no measure: whether a price that others do not ask for is too dear, the whole price of a call decides (souk-node status).
    const isBeyond = (other: bigint) => other > 0n && own > other * CAP_TIMES
    const beyond = isBeyond(middle) ? 'median' : isBeyond(least) ? 'lowest' : null
    if (beyond === null) return []
    const other = trimmed(beyond === 'median' ? median[kind] : low[kind])
    const how =
      beyond === 'median'
        ? 'calls that do not ask for you go to cheaper nodes'
        : 'while a node at that price is healthy and free, calls that do not ask for you go there'
    return [`${name} ${trimmed(prices[kind] ?? '0')} is more than twice the ${beyond}, ${other}: ${how}`]
  })
}

const trimmed = (usd: string): string => (usd.includes('.') ? usd.replace(/0+$/, '').replace(/\.$/, '') : usd)
