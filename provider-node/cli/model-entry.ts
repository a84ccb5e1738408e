// A new entry of "models" for a model somebody names: where it is, what to ask for it to begin with, and whether its licence is accepted.
import { isAbsolute, resolve } from 'node:path'
import type { ModelManifest } from '../../protocol/model.ts'
import { DEFAULT_PRICES, type ModelConfig } from '../config.ts'
import { needsAcceptance } from '../model-store/licence.ts'
import { modelFolder, readManifest } from '../model-store/manifest.ts'

export interface NewEntry {
  readonly entry: Pick<ModelConfig, 'folder' | 'prices' | 'licence'>
  readonly manifest: ModelManifest
  readonly licence: string
  /** it must be accepted before the model can be served, and was not */
  readonly isOpen: boolean
}

/** Paths are relative to where the operator stands now, and kept absolute; prices start from the model's task. */
export async function modelEntry(named: string, accepted: readonly string[]): Promise<NewEntry> {
  const folder = /^[A-Za-z0-9_-]+$/.test(named) || isAbsolute(named) ? named : resolve(named)
  const manifest = await readManifest(modelFolder(folder, '.'))
  const { task, licence } = manifest
  const isNeeded = await needsAcceptance(manifest)
  const isAccepted = isNeeded && accepted.includes(licence)
  const entry = { folder, prices: DEFAULT_PRICES[task], ...(isAccepted ? { licence } : {}) }
  return { entry, manifest, licence, isOpen: isNeeded && !isAccepted }
}
