// Whether files are those of their manifest. Every file is hashed before it is loaded, at each load anew, so a node never serves weights other
// than those its receipts name.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, join } from 'node:path'
import { OperatorError, sentenceFor } from '../operator-error.ts'
import { dataFilesOf } from './graph-files.ts'
import { modelDigest, readManifest, type LoadedModel } from './manifest.ts'

/** Reads the manifest and checks every file. @throws OperatorError @example `model file tiny-chat/model.onnx is missing` */
export async function loadModel(folder: string): Promise<LoadedModel> {
  const manifest = await readManifest(folder)
  const model = { manifest, digest: modelDigest(manifest.files), folder }
  await checkFiles(model)
  return model
}

/** @throws OperatorError naming the first file that is missing, unreadable or not the manifest's */
export async function checkFiles({ manifest, folder }: Pick<LoadedModel, 'manifest' | 'folder'>): Promise<void> {
  for (const [name, expected] of Object.entries(manifest.files)) {
    const label = fileLabel(manifest.id, folder, name)
    const actual = await hashFile(join(folder, name)).catch((cause: unknown) => {
      throw sentenceFor(`${label} cannot be read`, cause)
    })
    if (actual === null) throw new OperatorError(`${label} is missing`)
    const advice = manifest.sources ? ': delete it to have it fetched again' : ''
    if (actual !== expected)
      throw new OperatorError(`${label} is not the file of its manifest (its sha256 differs)${advice}`)
    if (name.endsWith('.onnx')) await checkDataFiles(join(folder, name), label, manifest.files)
  }
}

/** The runtime opens whatever file a graph names for its weights: only those of the manifest were hashed. */
async function checkDataFiles(path: string, label: string, files: Readonly<Record<string, string>>): Promise<void> {
  const stray = (await dataFilesOf(path)).find((name) => !Object.hasOwn(files, name))
  if (stray === undefined) return
  // In the author's words, so nothing of it may do more than be read.
  const shown = JSON.stringify(stray.slice(0, 100))
  throw new OperatorError(`${label} takes weights from ${shown}, a file that its manifest does not name`)
}

/** The folder's name says which model an operator means; that of a download is a digest, so there the model's own name stands. */
export const fileLabel = (id: string, folder: string, name: string): string =>
  `model file ${/^[0-9a-f]{16}$/.test(basename(folder)) ? (id.split('/')[1] ?? id) : basename(folder)}/${name}`

/** Hex sha256, read in pieces; null when there is no such file. */
export async function hashFile(path: string): Promise<string | null> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk)
    return hash.digest('hex')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw cause
  }
}
