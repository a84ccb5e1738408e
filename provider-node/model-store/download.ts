// Fetching a model's missing files: every source in its order, broken connections resumed, and nothing takes its place in the folder before its
// sha256 is that of the manifest. A crash at any moment leaves either no file or the whole one, and a part that the next start goes on with.
import { mkdir, open, rename, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServedManifest } from '../../protocol/model.ts'
import type { Log } from '../log.ts'
import { OperatorError, sentenceFor } from '../operator-error.ts'
import { fileLabel, hashFile } from './check.ts'
import { lockFile, type FileLock } from './file-lock.ts'
import { sourcesOf, type Source } from './sources.ts'
import { STORE_LIMITS } from './store-limits.ts'
import { bytesOf, dropPart, transfer, type TransferEnd } from './transfer.ts'

export interface DownloadNeeds {
  readonly log: Log
  /** ms */
  readonly now: () => number
  /** ends every download when the program stops; parts are kept */
  readonly signal: AbortSignal
  /** SOUK_NODE_MODEL_MIRROR */
  readonly mirror?: string | undefined
  readonly fetch?: typeof fetch
  /** bytes that may be written below a folder */
  readonly freeBytes?: (folder: string) => Promise<number>
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
  /** bytes that were fetched */
  readonly onBytes?: (model: string, bytes: number) => void
}

/** One file after the other. @throws OperatorError naming the file and what each source did */
export async function downloadFiles(
  manifest: ServedManifest,
  names: readonly string[],
  folder: string,
  needs: DownloadNeeds,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw sentenceFor(`the folder ${folder} cannot be made`, cause)
  })
  await checkSpace(manifest, names, folder, needs)
  for (const name of names) {
    const sizeBytes = manifest.sizes?.[name] ?? null
    const file: WantedFile = {
      model: manifest.id,
      name,
      label: fileLabel(manifest.id, folder, name),
      path: join(folder, name),
      sha256: manifest.files[name] ?? '',
      sizeBytes,
      sources: sourcesOf(manifest, name, needs.mirror),
    }
    await downloadFile(file, needs)
  }
}

interface WantedFile {
  readonly model: string
  readonly name: string
  readonly label: string
  readonly path: string
  readonly sha256: string
  readonly sizeBytes: number | null
  readonly sources: readonly Source[]
}

async function checkSpace(
  { sizes = {} }: ServedManifest,
  names: readonly string[],
  folder: string,
  { freeBytes = freeBytesOf }: DownloadNeeds,
): Promise<void> {
  const open = await Promise.all(
    names.map(async (name) => Math.max(0, (sizes[name] ?? 0) - (await bytesOf(partOf(join(folder, name)))))),
  )
  const needed = open.reduce((sum, bytes) => sum + bytes, 0) + STORE_LIMITS.spareBytes
  const free = await freeBytes(folder)
  if (needed <= free) return
  const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
  throw new OperatorError(`there is no room in ${folder}: ${mb(needed)} are needed and ${mb(free)} are free`)
}

const freeBytesOf = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

const partOf = (path: string): string => `${path}.part`

async function downloadFile(file: WantedFile, needs: DownloadNeeds): Promise<void> {
  const onWait = () => needs.log('info', 'model_download_waits', { model: file.model, file: file.name })
  const lock = await lockFile(`${file.path}.lock`, needs.signal, onWait)
  try {
    // Whoever held the lock before may have brought it.
    if ((await hashFile(file.path)) === file.sha256) return
    await fetchFile(file, needs, lock)
  } finally {
    await lock.release()
  }
}

async function fetchFile(file: WantedFile, needs: DownloadNeeds, lock: FileLock): Promise<void> {
  const { fetch: send = fetch, wait = pause, signal, log, now } = needs
  const part = partOf(file.path)
  const startedAt = now()
  const trials = file.sources.map((source) => ({ source, failures: 0, why: null as string | null }))
  const progress = createProgress(file, needs)
  // Only what was never there before is progress: a source that sends the same beginning again and again would be asked for ever.
  let furthest = await bytesOf(part)
  for (let round = 0; trials.some(({ why }) => why === null); round++) {
    if (round > 0) {
      const { first, last } = STORE_LIMITS.retryMs
      await wait(Math.min(last, first * 2 ** Math.min(round - 1, 16)), signal)
    }
    for (const trial of trials) {
      if (trial.why !== null) continue
      const before = await bytesOf(part)
      progress.from(before)
      const options = { part, sizeBytes: file.sizeBytes, fetch: send, signal, onBytes: progress.at }
      const end = await proved(await transfer(trial.source, options), file, part)
      if (end.kind === 'complete') {
        if (!(await lock.isOurs())) throw new OperatorError(`${file.label} is being fetched by another program too`)
        await takePlace(part, file.path)
        const bytes = await bytesOf(file.path)
        log('info', 'model_downloaded', { model: file.model, file: file.name, bytes, ms: now() - startedAt })
        return
      }
      const reached = await bytesOf(part)
      const hasMoved = reached - furthest >= STORE_LIMITS.progressBytes
      trial.failures = hasMoved ? 0 : trial.failures + 1
      if (hasMoved) [round, furthest] = [0, reached]
      if (end.kind === 'refused' || trial.failures >= STORE_LIMITS.failures) trial.why = end.why
      const { host } = trial.source
      log('warn', 'model_source_failed', { model: file.model, file: file.name, source: host, reason: end.why })
    }
  }
  const reasons = trials.map(({ source, why }) => `${source.host} ${why ?? ''}`).join('; ')
  throw new OperatorError(`${file.label} could not be downloaded: ${reasons}`)
}

/** The hash decides. A part that was put together from two connections gets another try from its beginning, a whole file does not. */
async function proved(end: TransferEnd, { sha256 }: WantedFile, part: string): Promise<TransferEnd> {
  if (end.kind !== 'complete') return end
  if ((await hashFile(part)) === sha256) return end
  await dropPart(part)
  const why = 'has another file than the manifest says (its sha256 differs)'
  return { kind: end.fromBytes > 0 ? 'broken' : 'refused', why }
}

/** On the disk, then under its name, then the name on the disk: a crash between any two leaves a part or the whole. */
async function takePlace(part: string, path: string): Promise<void> {
  try {
    const file = await open(part, 'r+')
    await file.sync().finally(() => file.close())
    await rename(part, path)
  } catch (cause) {
    throw sentenceFor(`${path} cannot be written`, cause)
  }
  await dropPart(part)
  // Not every system can sync a folder.
  const folder = await open(dirname(path), 'r').catch(() => null)
  await folder
    ?.sync()
    .catch(() => undefined)
    .finally(() => folder.close())
}

function createProgress({ model, name, sizeBytes }: WantedFile, { log, now, onBytes }: DownloadNeeds) {
  let saidAt = -Infinity
  let last = { bytes: 0, at: now() }
  let counted = 0
  return {
    from(bytes: number) {
      counted = bytes
      last = { bytes, at: now() }
    },
    at(bytes: number) {
      // A source that begins anew after a break was asked for all of it again.
      onBytes?.(model, bytes >= counted ? bytes - counted : bytes)
      counted = bytes
      const seconds = (now() - last.at) / 1_000
      if (now() - saidAt < STORE_LIMITS.progressMs || seconds <= 0) return
      saidAt = now()
      const mbPerS = Math.round((Math.max(0, bytes - last.bytes) / 1e6 / seconds) * 10) / 10
      last = { bytes, at: now() }
      const percent = sizeBytes ? Math.floor((100 * bytes) / sizeBytes) : null
      log('info', 'model_downloading', { model, file: name, percent, mbPerS })
    },
  }
}

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await sleep(ms, undefined, { signal })
}
