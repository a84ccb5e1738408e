// Whose licence must be accepted: a model that comes with this program brings its licence along; for every other one the operator writes the
// licence's SPDX expression into its entry, exactly as the manifest has it, before a byte of it is fetched or loaded.
import { OperatorError } from '../operator-error.ts'
import { modelDigest, shippedModels } from './manifest.ts'
import type { ServedManifest } from '../../protocol/model.ts'

/** A model is its files: a copy of a shipped folder is the shipped model, a shipped manifest whose files come from elsewhere is not. */
export async function needsAcceptance(manifest: ServedManifest): Promise<boolean> {
  const digest = modelDigest(manifest.files)
  const shipped = await shippedModels()
  return !shipped.some((model) => model.digest === digest && model.manifest.licence === manifest.licence)
}

/** @param accepted what the entry says @throws OperatorError that shows the licence and how to accept it */
export async function checkLicence(manifest: ServedManifest, accepted: string | undefined): Promise<void> {
  const { id, licence } = manifest
  if (accepted === licence) return
  const how = `read it, and if you accept it write "licence": ${JSON.stringify(licence)} into its entry in config.json`
  if (accepted !== undefined)
    throw new OperatorError(
      `the model ${id} is under the licence ${licence}, and what was accepted is ${accepted}: ${how}`,
    )
  if (await needsAcceptance(manifest))
    throw new OperatorError(`the model ${id} is under the licence ${licence}: ${how}`)
}
