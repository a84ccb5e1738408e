// `GET /v1/models`: OpenAI's list with what a buyer needs beside it. A model nobody serves now is listed with no price, not hidden.
import type { ModelView } from '../../protocol/openai.ts'
import { MILLION, mulUp, nanos, toUsd, type Nanos } from '../../protocol/units.ts'
import type { Snapshot } from '../market/market-port.ts'

export function modelView({ model, offers }: Snapshot): ModelView {
  const cheapest = [...offers].sort((a, b) =>
    Number(a.price.inputPerMillion + a.price.outputPerMillion - b.price.inputPerMillion - b.price.outputPerMillion),
  )[0]
  return {
    id: model.id,
    object: 'model',
    created: Math.floor(model.createdAt / 1000),
    owned_by: model.id.split('/')[0] ?? '',
    task: model.manifest.task,
    context_length: model.manifest.contextTokens,
    licence: model.manifest.licence,
    digest: model.digest,
    pricing: cheapest
      ? {
          prompt: perToken(cheapest.price.inputPerMillion),
          completion: perToken(cheapest.price.outputPerMillion),
          request: toUsd(cheapest.price.perCall),
          byte: perToken(cheapest.price.bytesPerMillion),
        }
      : null,
    nodes: offers.length,
  }
}

/** Rounded up to the nano, as a list price is: the charge itself is computed per million and rounded once. */
const perToken = (perMillion: Nanos): string => toUsd(nanos(mulUp(perMillion, 1n, MILLION)))
