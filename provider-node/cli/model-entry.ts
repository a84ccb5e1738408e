// A new entry of "models" for a model somebody names: where it is, what to ask for it to begin with, and whether its licence is accepted.
import { isAbsolute, resolve } from 'node:path'
import type { ServedManifest } from '../../protocol/model.ts'
import { isModelId } from '../../protocol/units.ts'
import { DEFAULT_PRICES, type ModelConfig } from '../config.ts'
import { needsAcceptance } from '../model-store/licence.ts'
import { hasManifest, modelFolder, readManifest, shippedFolder } from '../model-store/manifest.ts'
import { OperatorError } from '../operator-error.ts'

export interface NewEntry {
  readonly entry: Pick<ModelConfig, 'folder' | 'prices' | 'licence'>
  readonly manifest: ServedManifest
  readonly licence: string
  /** it must be accepted before the model can be served, and was not */
  readonly isOpen: boolean
}

/** Paths are relative to where the operator stands now, and kept absolute; prices start from the model's task. */
export async function modelEntry(named: string, accepted: readonly string[]): Promise<NewEntry> {
  const folder = await folderOf(named)
  const manifest = await readManifest(modelFolder(folder, '.'))
  const { task, licence } = manifest
  const isNeeded = await needsAcceptance(manifest)
  const isAccepted = isNeeded && accepted.includes(licence)
  const entry = { folder, prices: DEFAULT_PRICES[task], ...(isAccepted ? { licence } : {}) }
  return { entry, manifest, licence, isOpen: isNeeded && !isAccepted }
}

/** @throws OperatorError for what looks like a model of the gateway: only there it would be found */
async function folderOf(named: string): Promise<string> {
  if (/^[A-Za-z0-9_-]+$/.test(named) || isAbsolute(named)) return named
  const here = resolve(named)
  if (!isModelId(named) || (await hasManifest(here))) return here
  const shipped = await shippedFolder(named)
  if (shipped !== null) return shipped
  throw new OperatorError(
    `there is no model in ${here}: one that the gateway knows is added when there is a node, by souk-node models add ${named}`,
  )
}
