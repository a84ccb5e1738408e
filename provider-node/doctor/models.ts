// The models as the node will load them: their manifests, licences and files, and whether the disk and the memory have room for them.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelManifest } from '../../protocol/model.ts'
import type { ModelConfig } from '../config.ts'
import { checkFiles } from '../model-store/check.ts'
import { checkLicence } from '../model-store/licence.ts'
import {
  downloadFolder,
  isShippedFolder,
  memoryBytes,
  missingFiles,
  modelDigest,
  modelFolder,
  readManifest,
  type LoadedModel,
} from '../model-store/manifest.ts'
import { STORE_LIMITS } from '../model-store/store-limits.ts'
import { OperatorError } from '../operator-error.ts'
import type { Check, Facts } from './facts.ts'
import { amount, note, ok, skipped, wrong, type Finding } from './finding.ts'

interface Looked {
  readonly finding: Finding
  /** null: it cannot be loaded as it stands */
  readonly model: LoadedModel | null
  /** still to be fetched */
  readonly bytes: number
}

export const checkModels: Check = async (facts) => {
  const { config, home } = facts
  if (!config) return [skipped('the models: config.json says which they are')]
  const looked: Looked[] = []
  for (const entry of config.models) looked.push(await lookAt(entry, facts))
  const bytes = looked.reduce((sum, one) => sum + one.bytes, 0)
  const room = bytes > 0 ? await diskFindings(bytes, home, facts) : []
  const loaded = looked.flatMap(({ model }, index) => (model && config.models[index]?.engine === 'onnx' ? [model] : []))
  return [
    ...looked.map(({ finding }) => finding),
    ...room,
    ...memoryFindings(await Promise.all(loaded.map(sized)), config.memoryMaxBytes, facts.memoryBytes),
  ]
}

async function lookAt(entry: ModelConfig, { home, isDeep, env }: Facts): Promise<Looked> {
  const failed = (finding: Finding): Looked => ({ finding, model: null, bytes: 0 })
  try {
    const folder = modelFolder(entry.folder, home)
    const manifest = await readManifest(folder)
    const model = { manifest, digest: modelDigest(manifest.files), folder }
    if (entry.engine !== 'onnx')
      return { finding: ok(`${manifest.id}: computed by ${entry.upstream?.url ?? 'another server'}`), model, bytes: 0 }
    await checkLicence(manifest, entry.licence)
    const here = await withFiles(model, home)
    const missing = await missingFiles(here.folder, manifest)
    if (missing.length > 0) return unfetched(here, missing, env.SOUK_NODE_MODEL_MIRROR !== undefined)
    const short = isDeep ? null : await wrongSize(here)
    if (short !== null)
      return failed(
        wrong(
          `${manifest.id}: the file ${short} has not the size its manifest says`,
          `delete ${join(here.folder, short)} to have it fetched again`,
        ),
      )
    if (isDeep) await checkFiles(here)
    return {
      finding: ok(`${manifest.id}: its files are there${isDeep ? ', and are those of its manifest' : ''}`),
      model: here,
      bytes: 0,
    }
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause
    const isLicence = cause.message.includes('is under the licence')
    return failed(
      wrong(
        cause.message,
        isLicence
          ? 'write it into config.json if you accept it, or remove the model'
          : 'mend the folder, or remove the model from config.json',
      ),
    )
  }
}

/** Files of a shipped manifest that were fetched stand in the state folder. */
async function withFiles(model: LoadedModel, home: string): Promise<LoadedModel> {
  const isComplete = (await missingFiles(model.folder, model.manifest)).length === 0
  return isComplete || !isShippedFolder(model.folder)
    ? model
    : { ...model, folder: downloadFolder(home, model.manifest) }
}

function unfetched(model: LoadedModel, missing: readonly string[], hasMirror: boolean): Looked {
  const { id, sources, sizes = {} } = model.manifest
  const bytes = missing.reduce((sum, name) => sum + (sizes[name] ?? 0), 0)
  if (!sources && !hasMirror)
    return {
      finding: wrong(
        `${id}: ${missing.join(', ')} is missing, and its manifest names no source`,
        `put it into ${model.folder}`,
      ),
      model: null,
      bytes: 0,
    }
  return {
    finding: note(`${id}: ${bytes > 0 ? amount(bytes) : `${missing.length} files`} will be fetched at the next start`),
    model,
    bytes,
  }
}

/** The first file that is not as long as its manifest says: a copy that broke off, without reading it. */
async function wrongSize({ manifest, folder }: LoadedModel): Promise<string | null> {
  for (const [name, size] of Object.entries(manifest.sizes ?? {}))
    if ((await stat(join(folder, name))).size !== size) return name
  return null
}

async function diskFindings(bytes: number, home: string, { freeBytes }: Facts): Promise<Finding[]> {
  const free = await freeBytes(home)
  const needed = bytes + STORE_LIMITS.spareBytes
  return free >= needed
    ? []
    : [
        wrong(
          `${amount(bytes)} of models are still to be fetched, and ${amount(free)} are free`,
          `free ${amount(needed - free)}, or move the state folder to a larger disk`,
        ),
      ]
}

interface Sized {
  readonly id: ModelManifest['id']
  readonly bytes: number
}

const sized = async (model: LoadedModel): Promise<Sized> => ({ id: model.manifest.id, bytes: await memoryBytes(model) })

/** (rule) @param most bytes the operator allows; null: no ceiling @param machine bytes of memory */
export function memoryFindings(models: readonly Sized[], most: number | null, machine: number): Finding[] {
  const ceiling = Math.min(most ?? machine, machine)
  const [tooLarge] = models.filter(({ bytes }) => bytes > ceiling)
  const which = ceiling === machine ? 'this machine has' : 'memoryMaxBytes is'
  if (tooLarge)
    return [
      wrong(
        `${tooLarge.id} needs ${amount(tooLarge.bytes)} of memory and ${which} ${amount(ceiling)}`,
        ceiling === machine ? 'remove it from config.json' : 'raise memoryMaxBytes, or remove the model',
      ),
    ]
  const all = models.reduce((sum, { bytes }) => sum + bytes, 0)
  if (all <= ceiling)
    return models.length > 0 ? [ok(`all models together need ${amount(all)} of ${amount(ceiling)} of memory`)] : []
  if (most === null)
    return [
      wrong(
        `all models together need ${amount(all)} of memory and this machine has ${amount(machine)}`,
        'set "memoryMaxBytes" in config.json, so that they take turns, or remove one',
      ),
    ]
  return [
    note(
      `all models together need ${amount(all)} and may take ${amount(ceiling)}: they take turns, and whoever calls one that is not loaded waits`,
    ),
  ]
}
