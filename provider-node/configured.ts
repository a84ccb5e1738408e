// The models of a configuration with what their manifests say, and which of them somebody means by a name. A manifest that cannot be read is a sentence,
// not an end: the others are still there.
import { basename } from 'node:path'
import type { ServedManifest } from '../protocol/model.ts'
import type { OfferRequest } from '../protocol/node.ts'
import type { ModelConfig, NodeConfig } from './config.ts'
import type { GatewayApi } from './gateway-api.ts'
import { silentLog } from './log.ts'
import { modelFolder, readManifest } from './model-store/manifest.ts'
import { nearest } from './nearest.ts'
import { offerOf } from './offers.ts'
import { OperatorError } from './operator-error.ts'
import type { Environment } from './state-folder.ts'

export interface Configured {
  readonly entry: ModelConfig
  /** null: it cannot be read, and `problem` says why */
  readonly manifest: ServedManifest | null
  readonly problem: string | null
}

export const readConfigured = ({ models }: Pick<NodeConfig, 'models'>, home: string): Promise<Configured[]> =>
  Promise.all(
    models.map(async (entry): Promise<Configured> => {
      try {
        return { entry, manifest: await readManifest(modelFolder(entry.folder, home)), problem: null }
      } catch (cause) {
        if (!(cause instanceof OperatorError)) throw cause
        return { entry, manifest: null, problem: cause.message }
      }
    }),
  )

/** By its id, its folder as the file writes it, or the folder's name. @throws OperatorError that says which there are */
export function findConfigured(models: readonly Configured[], typed: string): Configured {
  const names = ({ entry, manifest }: Configured) => [entry.folder, basename(entry.folder), manifest?.id ?? '']
  const found = models.find((model) => names(model).includes(typed))
  if (found) return found
  const near = nearest(typed, models.flatMap(names))
  const known = near === null ? `there are ${models.map(nameOf).join(', ')}` : `did you mean ${near}?`
  throw new OperatorError(`there is no model ${typed} in config.json: ${known}`)
}

export const nameOf = ({ entry, manifest }: Configured): string => manifest?.id ?? entry.folder

export interface ChangeNeeds {
  readonly api: GatewayApi
  readonly home: string
  readonly env: Environment
}

/**
 * Everything the gateway is to offer when one model changes: what it offers now, as this configuration has it, and the changed one. What is configured and
 * was never registered stays out, since nobody has said that it is ready.
 * @param changed null: `leaving` is taken out
 */
export async function offersWith(
  models: readonly Configured[],
  { changed, leaving }: { changed: OfferRequest | null; leaving: string | null },
  { api, home, env }: ChangeNeeds,
): Promise<OfferRequest[]> {
  const { node } = await api.status()
  const offered = new Set(node.offers.flatMap(({ model, state }) => (state === 'paused' ? [] : [model])))
  const kept = models.filter(
    ({ manifest }) =>
      manifest !== null && offered.has(manifest.id) && manifest.id !== changed?.model && manifest.id !== leaving,
  )
  const offers: OfferRequest[] = []
  for (const { entry } of kept) offers.push(await offerOf(entry, { home, env, log: silentLog, isChecked: false }))
  return changed ? [...offers, changed] : offers
}
