// Model folders: a manifest and the files it names. Every file is hashed before it is loaded, so a node never serves weights other than
// those its receipts will name.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jcs, sha256Hex } from '../protocol/canonical.ts'
import { ModelManifest } from '../protocol/model.ts'
import { OperatorError, sentenceFor } from './operator-error.ts'

export interface LoadedModel {
  readonly manifest: ModelManifest
  /** sha256 of JCS({ files }) */
  readonly digest: string
  /** absolute */
  readonly folder: string
}

const SHIPPED = fileURLToPath(new URL('./models/', import.meta.url))

/** A bare name is a model shipped with this program; anything else is a path, relative to the state folder. */
export function modelFolder(named: string, home: string): string {
  if (isAbsolute(named)) return named
  return /^[A-Za-z0-9_-]+$/.test(named) ? join(SHIPPED, named) : resolve(home, named)
}

export const modelDigest = (files: ModelManifest['files']): string => sha256Hex(jcs({ files }))

/** @throws OperatorError naming the folder or the field */
export async function readManifest(folder: string): Promise<ModelManifest> {
  const file = join(folder, 'manifest.json')
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) throw new OperatorError(`there is no model in ${folder}: manifest.json is missing`)
  const parsed = ModelManifest.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OperatorError(
    `${file} is not a model manifest: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'invalid'}`,
  )
}

/** Reads the manifest and checks every file. @throws OperatorError @example `model file tiny-chat/model.onnx is missing` */
export async function loadModel(folder: string): Promise<LoadedModel> {
  const manifest = await readManifest(folder)
  for (const [name, expected] of Object.entries(manifest.files)) {
    const label = `model file ${basename(folder)}/${name}`
    const actual = await hashFile(join(folder, name)).catch((cause: unknown) => {
      throw sentenceFor(`${label} cannot be read`, cause)
    })
    if (actual === null) throw new OperatorError(`${label} is missing`)
    if (actual !== expected) throw new OperatorError(`${label} is not the file of its manifest (its sha256 differs)`)
  }
  return { manifest, digest: modelDigest(manifest.files), folder }
}

/** Hex sha256, read in pieces; null when there is no such file. */
async function hashFile(path: string): Promise<string | null> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk)
    return hash.digest('hex')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw cause
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
