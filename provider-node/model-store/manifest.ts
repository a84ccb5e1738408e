// Model folders: a manifest and the files it names. Here is where they are and what they say; whether the files are those of the manifest is
// asked in check.ts, right before they are loaded.
import { readdir, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import { ServedManifest } from '../../protocol/model.ts'
import { OperatorError } from '../operator-error.ts'
import { STORE_LIMITS } from './store-limits.ts'

export interface LoadedModel {
  readonly manifest: ServedManifest
  /** sha256 of JCS({ files }) */
  readonly digest: string
  /** absolute: where the files are */
  readonly folder: string
}

const SHIPPED = fileURLToPath(new URL('../models/', import.meta.url))

/** A bare name is a model shipped with this program; anything else is a path, relative to the state folder. */
export function modelFolder(named: string, home: string): string {
  if (isAbsolute(named)) return named
  return /^[A-Za-z0-9_-]+$/.test(named) ? join(SHIPPED, named) : resolve(home, named)
}

export const isShippedFolder = (folder: string): boolean => resolve(folder, '..') === resolve(SHIPPED)

/** The shipped folder of a model that comes with this program, by its id; null: it does not. */
export async function shippedFolder(id: string): Promise<string | null> {
  const name = id.split('/')[1] ?? ''
  const manifest = await readManifest(join(SHIPPED, name)).catch(() => null)
  return manifest?.id === id ? name : null
}

/** Manifests of the shipped models whose files come with the program too. */
export async function shippedModels(): Promise<{ manifest: ServedManifest; digest: string }[]> {
  const entries = await readdir(SHIPPED, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(SHIPPED, name))
  const models = await Promise.all(
    folders.map(async (folder) => {
      const manifest = await readManifest(folder)
      return (await missingFiles(folder, manifest)).length > 0
        ? []
        : [{ manifest, digest: modelDigest(manifest.files) }]
    }),
  )
  return models.flat()
}

export const modelDigest = (files: ServedManifest['files']): string => sha256Hex(jcs({ files }))

/**
 * Where downloaded files of a shipped manifest are kept: below the state folder, one folder per digest, so that two versions of a model never
 * share a file.
 */
export const downloadFolder = (home: string, { id, files }: Pick<ServedManifest, 'id' | 'files'>): string =>
  join(resolve(home), 'models', ...id.split('/'), modelDigest(files).slice(0, 16))

export const hasManifest = (folder: string): Promise<boolean> =>
  stat(join(folder, 'manifest.json')).then(
    (info) => info.isFile(),
    () => false,
  )

/** @throws OperatorError naming the folder or the field */
export async function readManifest(folder: string): Promise<ServedManifest> {
  const file = join(folder, 'manifest.json')
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) throw new OperatorError(`there is no model in ${folder}: manifest.json is missing`)
  if (text.length > STORE_LIMITS.manifestBytes) throw new OperatorError(`${file} is too large for a model manifest`)
  const parsed = ServedManifest.safeParse(parseJson(text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const field = issue?.path.join('.') || 'it'
    throw new OperatorError(`${file} is not a model manifest: ${field}: ${issue?.message ?? 'invalid'}`)
  }
  const { files, sizes = {}, sourcePaths = {} } = parsed.data
  const stray = Object.keys({ ...sizes, ...sourcePaths }).find((name) => !Object.hasOwn(files, name))
  if (stray !== undefined) throw new OperatorError(`${file} is not a model manifest: ${stray} is not among its files`)
  return parsed.data
}

/** Names of the files that are not there. */
export async function missingFiles(folder: string, { files }: Pick<ServedManifest, 'files'>): Promise<string[]> {
  const names = Object.keys(files)
  const found = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        () => true,
        (cause: unknown) => !(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'),
      ),
    ),
  )
  return names.filter((_, index) => !found[index])
}

/** Bytes of memory a model takes while loaded: what its manifest says, else twice its files (weights, and what is computed with them). */
export async function memoryBytes({ manifest, folder }: LoadedModel): Promise<number> {
  if (manifest.hardware?.memoryBytes !== undefined) return manifest.hardware.memoryBytes
  return 2 * (await filesBytes(manifest, folder))
}

/** Bytes of a model's files: as its manifest says, else as they lie there; 0 for one that is missing. */
export async function filesBytes(manifest: Pick<ServedManifest, 'files' | 'sizes'>, folder: string): Promise<number> {
  // The files are those of the manifest, or they are never loaded: what it says of their size holds.
  const sizes = await Promise.all(
    Object.keys(manifest.files).map(
      async (name) =>
        manifest.sizes?.[name] ??
        stat(join(folder, name)).then(
          ({ size }) => size,
          () => 0,
        ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
