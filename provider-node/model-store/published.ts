// A model of the market that does not come with this program: its manifest as the gateway shows it to everybody, put into the state folder, where its files
// will be fetched to. What is loaded is held against the hashes in it, and they are what the model's digest is made of.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, SoukError } from '../../protocol/client.ts'
import type { ModelView } from '../../protocol/publish.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { NODE_LIMITS } from '../limits.ts'
import { OperatorError, sentenceFor } from '../operator-error.ts'
import { missingFiles, modelDigest } from './manifest.ts'

export interface PublishedNeeds {
  /** the state folder */
  readonly home: string
  readonly gateway: string
  /** false: another server has its files */
  readonly isComputedHere: boolean
  tell(line: string): void
}

/**
 * Again it is taken anew: sources may have changed.
 * @param id author/name
 * @returns its folder, relative to the state folder
 * @throws OperatorError when the gateway does not know it, or lets nobody be served with it
 */
export async function takePublished(
  id: string,
  { home, gateway, isComputedHere, tell }: PublishedNeeds,
): Promise<string> {
  const view = await createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs })
    .model(id)
    .catch((cause: unknown) => {
      if (cause instanceof SoukError && cause.code === 'model_not_found')
        throw new OperatorError(`there is no model ${id} at ${gateway}, and no folder of that name here`)
      throw gatewaySentence(cause, gateway)
    })
  const { manifest, digest, state, reason, replacedBy } = view
  if (!isServed(state)) throw new OperatorError(`${id} is ${state}${reason === null ? '' : `: ${reason}`}`)
  if (manifest.id !== id || modelDigest(manifest.files) !== digest)
    throw new OperatorError(`what ${gateway} shows of ${id} does not go together: nothing was changed`)
  if (state === 'deprecated') tell(`${id} is deprecated${replacedBy === null ? '' : `: ${replacedBy} takes its place`}`)
  const folder = join('models', ...id.split('/'))
  await save(join(home, folder), `${JSON.stringify(manifest, null, 2)}\n`)
  const missing = manifest.sources || !isComputedHere ? [] : await missingFiles(join(home, folder), manifest)
  if (missing.length > 0)
    tell(`${id} names nowhere to fetch its files from: put ${missing.join(', ')} into ${join(home, folder)}`)
  return folder
}

const isServed = (state: ModelView['state']): boolean => state === 'active' || state === 'deprecated'

/** Under its name only when it is whole: a running node may read it at any moment. */
async function save(folder: string, text: string): Promise<void> {
  const file = join(folder, 'manifest.json')
  const draft = `${file}.${process.pid}.new`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(draft, text, { mode: 0o600 })
    await rename(draft, file)
  } catch (cause) {
    await rm(draft, { force: true })
    throw sentenceFor(`${file} cannot be written`, cause)
  }
}
