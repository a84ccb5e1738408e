// `GET /v1/models`: OpenAI's list with what a buyer needs beside it. A model nobody serves now is listed with no price, not hidden.
import { TENSOR_TASKS, type ModelManifest } from '../../../protocol/model.ts'
import type { ModelView } from '../../../protocol/openai.ts'
import { MILLION, mulUp, nanos, toUsd, type Nanos } from '../../../protocol/units.ts'
import type { ModelOffers, Offer } from '../../market/market-port.ts'

export function modelView({ model, offers }: ModelOffers): ModelView {
  const { manifest } = model
  const isTensors = TENSOR_TASKS.has(manifest.task)
  const [cheapest] = [...offers].sort((a, b) => Number(priceIn(a, isTensors) - priceIn(b, isTensors)))
  return {
    id: model.id,
    object: 'model',
    created: Math.floor(model.createdAt / 1000),
    owned_by: model.id.split('/')[0] ?? '',
    task: manifest.task,
    context_length: isTensors ? null : manifest.contextTokens,
    max_output_tokens: manifest.task === 'chat' ? manifest.outputTokensMax : null,
    dimensions: dimensionsOf(manifest),
    licence: manifest.licence,
    digest: model.digest,
    state: model.state,
    state_reason: model.reason,
    replaced_by: model.replacedBy,
    pricing: cheapest ? pricingOf(cheapest.price) : null,
    nodes: offers.length,
  }
}

/** What one unit of each kind costs together: offers are compared in what their task is paid by, then by the call. */
function priceIn({ price }: Offer, isTensors: boolean): bigint {
  const perMillion = isTensors ? price.bytesPerMillion : price.inputPerMillion + price.outputPerMillion
  return perMillion * MILLION + price.perCall
}

function dimensionsOf({ task, dimensions, dimensionsMin }: ModelManifest): ModelView['dimensions'] {
  if (task !== 'embeddings' || dimensions === undefined) return null
  return { min: dimensionsMin ?? dimensions, max: dimensions }
}

function pricingOf({ inputPerMillion, outputPerMillion, bytesPerMillion, perCall }: Offer['price']) {
  return {
    prompt: perToken(inputPerMillion),
    completion: perToken(outputPerMillion),
    request: toUsd(perCall),
    byte: perToken(bytesPerMillion),
    per_million: {
      prompt: toUsd(inputPerMillion),
      completion: toUsd(outputPerMillion),
      byte: toUsd(bytesPerMillion),
    },
  }
}

/** Rounded up to the nano, as a list price is: the charge itself is computed per million and rounded once. */
const perToken = (perMillion: Nanos): string => toUsd(nanos(mulUp(perMillion, 1n, MILLION)))
