// From an entry of the configuration to a model whose files are there: manifest, licence, download, in this order, so that nothing is fetched that
// was not accepted. That the files are the right ones is checked when they are loaded.
import { constants } from 'node:fs'
import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ModelConfig } from '../config.ts'
import { sentenceFor } from '../operator-error.ts'
import { downloadFiles, type DownloadNeeds } from './download.ts'
import { checkLicence } from './licence.ts'
import { downloadFolder, isShippedFolder, missingFiles, modelDigest, modelFolder, readManifest } from './manifest.ts'
import type { LoadedModel } from './manifest.ts'
import { checkMirror } from './sources.ts'

/**
 * @param home the state folder
 * @throws OperatorError for a licence that was not accepted, and a file that cannot be fetched
 */
export async function prepareModel(
  entry: Pick<ModelConfig, 'folder' | 'engine' | 'licence'>,
  home: string,
  needs: DownloadNeeds,
): Promise<LoadedModel> {
  const folder = modelFolder(entry.folder, home)
  const manifest = await readManifest(folder)
  const model = { manifest, digest: modelDigest(manifest.files), folder }
  // Another server computes: its files are its own, and so is what was agreed about them.
  if (entry.engine !== 'onnx') return model
  await checkLicence(manifest, entry.licence)
  const missing = await missingFiles(folder, manifest)
  if (missing.length === 0 || (!manifest.sources && needs.mirror === undefined)) return model
  checkMirror(needs.mirror)
  if (!isShippedFolder(folder)) {
    await downloadFiles(manifest, missing, folder, needs)
    return model
  }
  // The program's own folder may be read-only, and is replaced with the program.
  const kept = downloadFolder(home, manifest)
  const wanted = await missingFiles(kept, manifest)
  await copyShipped(
    folder,
    kept,
    wanted.filter((name) => !missing.includes(name)),
  )
  await downloadFiles(
    manifest,
    wanted.filter((name) => missing.includes(name)),
    kept,
    needs,
  )
  return { ...model, folder: kept }
}

async function copyShipped(from: string, to: string, names: readonly string[]): Promise<void> {
  try {
    if (names.length > 0) await mkdir(to, { recursive: true, mode: 0o700 })
    for (const name of names) {
      // Under its name only when it is whole: whoever sees it takes it for the file.
      const draft = join(to, `${name}.${randomUUID()}.new`)
      await copyFile(join(from, name), draft, constants.COPYFILE_FICLONE)
        .then(() => rename(draft, join(to, name)))
        .finally(() => rm(draft, { force: true }))
    }
  } catch (cause) {
    throw sentenceFor(`files cannot be copied to ${to}`, cause)
  }
}
