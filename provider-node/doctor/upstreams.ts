// The servers that compute behind this node: there, with the model, and with a key they take. Asked exactly as at start, so that what passes here starts.
import { createEngine } from '../engines/create.ts'
import { modelDigest, modelFolder, readManifest } from '../model-store/manifest.ts'
import { OperatorError } from '../operator-error.ts'
import type { ModelConfig } from '../config.ts'
import type { Check, Facts } from './facts.ts'
import { ok, skipped, wrong, type Finding } from './finding.ts'

export const checkUpstreams: Check = async (facts) => {
  if (!facts.config) return [skipped('other servers: config.json says which they are')]
  const behind = facts.config.models.filter(({ engine }) => engine !== 'onnx')
  if (behind.length === 0) return [ok('no model is computed by another server')]
  return Promise.all(behind.map((entry) => lookAt(entry, facts)))
}

const SILENT = { batch: () => undefined, waited: () => undefined, warn: () => undefined }

async function lookAt(entry: ModelConfig, { home, env, now }: Facts): Promise<Finding> {
  try {
    const folder = modelFolder(entry.folder, home)
    const manifest = await readManifest(folder)
    const engine = await createEngine({ manifest, digest: modelDigest(manifest.files), folder }, entry, env, {
      now,
      observe: SILENT,
    })
    const { server = 'a server' } = engine.describe()
    await engine.close()
    return ok(`${manifest.id}: ${server} at ${entry.upstream?.url ?? ''} has ${entry.upstream?.model ?? ''}`)
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause
    return wrong(cause.message, 'start that server, or mend "upstream" in config.json')
  }
}
