// What an operator may offer, asked in one way by a registration and by a change of the offers alone: each model once, models that exist, their very
// digests, limits within theirs, prices that are no slip of the pen. Refusals name the field.
import type { OfferRequest } from '../../../protocol/node.ts'
import { isPriceTooHigh, priceMaxUsd, type Price } from '../../../protocol/price.ts'
import { fromUsd, toSqlInteger, type Instant } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { REASON } from '../admission/admission.ts'
import type { Model } from '../market-port.ts'
import { isServed, stateDetail } from '../models/model-state.ts'
import type { NodeBook } from '../nodes/node-book.ts'
import { toModel, type OfferRow } from '../rows.ts'

const PRICE_PARTS = [
  'inputPerMillion',
  'outputPerMillion',
  'cachedInputPerMillion',
  'bytesPerMillion',
  'perCall',
] as const satisfies readonly (keyof Price)[]

/** @throws GatewayError model_not_found, invalid_request */
export async function requireOffers(book: NodeBook, offers: readonly OfferRequest[]): Promise<void> {
  const ids = offers.map(({ model }) => model)
  if (new Set(ids).size !== ids.length)
    throw new GatewayError('invalid_request', { param: 'offers', detail: 'Each model is offered once.' })
  const known = new Map((await book.modelsById(ids)).map((row) => [row.id, toModel(row)]))
  for (const [index, offer] of offers.entries()) {
    const wrong = (field: string, detail: string) =>
      new GatewayError('invalid_request', { param: `offers.${index}.${field}`, detail })
    const model = known.get(offer.model)
    if (!model) throw new GatewayError('model_not_found', { param: `offers.${index}.model` })
    requireServed(model, `offers.${index}.model`)
    if (model.digest !== offer.digest) throw wrong('digest', `The digest of "${model.id}" is ${model.digest}.`)
    if (offer.contextTokens > model.manifest.contextTokens)
      throw wrong('contextTokens', `The context of "${model.id}" is ${model.manifest.contextTokens}.`)
    if (offer.outputTokensMax > model.manifest.outputTokensMax)
      throw wrong('outputTokensMax', `"${model.id}" gives at most ${model.manifest.outputTokensMax}.`)
    for (const part of PRICE_PARTS) {
      const usd = offer.prices[part]
      if (usd !== undefined && isPriceTooHigh(part, usd))
        throw wrong(`prices.${part}`, `This price is absurdly high: at most ${priceMaxUsd(part)} dollars.`)
    }
  }
}

/** @throws GatewayError model_withdrawn, model_blocked: nobody may be served with it */
function requireServed(model: Model, param: string): void {
  if (isServed(model)) return
  const code = model.state === 'blocked' ? 'model_blocked' : 'model_withdrawn'
  throw new GatewayError(code, {
    param,
    detail: `"${model.id}": take it out of the offers. ${stateDetail(model)}`.trimEnd(),
  })
}

/** @param isLive it passed its probes before and goes on serving; otherwise it waits for them */
export function toOfferRow(nodeId: string, offer: OfferRequest, isLive: boolean, now: Instant): OfferRow {
  const { prices } = offer
  const nanosOf = (usd: string) => toSqlInteger(fromUsd(usd))
  return {
    nodeId,
    modelId: offer.model,
    state: isLive ? 'live' : 'pending',
    reason: isLive ? null : REASON.unprobed,
    inputPriceNanos: nanosOf(prices.inputPerMillion),
    outputPriceNanos: nanosOf(prices.outputPerMillion),
    cachedInputPriceNanos: nanosOf(prices.cachedInputPerMillion ?? prices.inputPerMillion),
    bytesPriceNanos: nanosOf(prices.bytesPerMillion ?? '0'),
    callPriceNanos: nanosOf(prices.perCall),
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    breaker: 'closed',
    breakerUntil: null,
    successPpm: null,
    firstTokenMs: null,
    unitsPerKs: null,
    inFlight: 0,
    driftPpm: null,
    assurance: offer.assurance ?? 'pinned',
    parameters: offer.parameters ? JSON.stringify(offer.parameters) : null,
    continues: offer.continues ? 1 : 0,
    collectsData: offer.collectsData === undefined ? null : Number(offer.collectsData),
    busyPpm: null,
    inFlightCap: null,
    windows: null,
    trustPpm: null,
    toldTrustPpm: null,
    toldDay: null,
    // What the book finds when it writes.
    priceVersion: 1,
    updatedAt: now,
  }
}
