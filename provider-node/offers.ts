// What this node offers, as the gateway is told: of every configured model its digest, prices and limits. Nobody should offer what they cannot serve, so
// the files are there, and checked where there is time for it.
import type { OfferRequest } from '../protocol/node.ts'
import type { ModelConfig, NodeConfig } from './config.ts'
import { concurrencyOf } from './engines/create.ts'
import { honoursOfTask, honoursOfText, type Honours } from './engines/honours.ts'
import type { Log } from './log.ts'
import { checkFiles } from './model-store/check.ts'
import type { LoadedModel } from './model-store/manifest.ts'
import { prepareModel } from './model-store/prepare.ts'
import type { Environment } from './state-folder.ts'

export interface OffersNeeds {
  /** the state folder */
  readonly home: string
  readonly env: Environment
  readonly log: Log
  /** ends downloads; absent: they end with the program */
  readonly signal?: AbortSignal
  /** hash every file: at a registration and for a new model; without it only that they are there */
  readonly isChecked: boolean
}

/** @throws OperatorError for the first model that cannot be served: not accepted, not to be fetched, or changed */
export async function offersOf({ models }: Pick<NodeConfig, 'models'>, needs: OffersNeeds): Promise<OfferRequest[]> {
  const offers: OfferRequest[] = []
  for (const entry of models) offers.push(await offerOf(entry, needs))
  return offers
}

export async function offerOf(entry: ModelConfig, needs: OffersNeeds): Promise<OfferRequest> {
  const { home, env, log, signal = new AbortController().signal } = needs
  const model = await prepareModel(entry, home, { log, now: Date.now, signal, mirror: env.SOUK_NODE_MODEL_MIRROR })
  if (needs.isChecked && entry.engine === 'onnx') await checkFiles(model)
  return toOffer(entry, model, await honoursOf(entry, model))
}

/** Before anything is loaded. What a server beside the node honours is known when the node has met it, and told then. */
async function honoursOf(entry: ModelConfig, { folder, manifest }: LoadedModel): Promise<Honours | null> {
  if (manifest.task !== 'chat' || entry.engine !== 'onnx') return honoursOfTask(manifest.task)
  const { loadTokenizer } = await import('./engines/onnx/text/tokenizer.ts')
  try {
    return honoursOfText(loadTokenizer(folder, manifest.tokenizer).canSayAnything)
  } catch {
    // Loading the model says what is wrong with it.
    return null
  }
}

/** What the gateway is told of a model that is there. */
export function toOffer(entry: ModelConfig, model: LoadedModel, honours: Honours | null): OfferRequest {
  const { id, contextTokens, outputTokensMax } = model.manifest
  const concurrencyMax = concurrencyOf(entry, model)
  const isOwn = entry.engine === 'onnx'
  const collectsData = entry.collectsData ?? (isOwn ? false : undefined)
  return {
    model: id,
    digest: model.digest,
    prices: entry.prices,
    contextTokens,
    outputTokensMax,
    concurrencyMax,
    assurance: isOwn ? 'pinned' : 'declared',
    ...(honours ? { parameters: [...honours.parameters], continues: honours.continues } : {}),
    ...(collectsData === undefined ? {} : { collectsData }),
  }
}
