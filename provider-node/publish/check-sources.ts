// Whether every source has every file: asked of each before anybody is told to fetch there. A small file is fetched and hashed, of a large one its
// size is asked for, by one byte of it.
import { createHash } from 'node:crypto'
import type { ModelManifest } from '../../protocol/model.ts'
import { open, sourcesOf, type Source } from '../model-store/sources.ts'
import { STORE_LIMITS } from '../model-store/store-limits.ts'
import { PUBLISH_LIMITS } from './publish-limits.ts'

/** What is wrong, a sentence each; empty when every file can be fetched everywhere. */
export async function checkSources(manifest: ModelManifest, fetchFile: typeof fetch = fetch): Promise<string[]> {
  const wrong: string[] = []
  for (const [name, sha256] of Object.entries(manifest.files))
    for (const source of sourcesOf(manifest, name, undefined)) {
      const size = manifest.sizes?.[name] ?? 0
      const why = await trouble(source, { size, sha256 }, fetchFile)
      if (why !== null) wrong.push(`${source.url} ${why}`)
    }
  return wrong
}

async function trouble(
  source: Source,
  file: { readonly size: number; readonly sha256: string },
  fetchFile: typeof fetch,
): Promise<string | null> {
  const isSmall = file.size <= PUBLISH_LIMITS.sourceBytes
  const headers: Record<string, string> = { 'accept-encoding': 'identity', ...(isSmall ? {} : { range: 'bytes=0-0' }) }
  try {
    const answer = await open(source, headers, {
      fetch: fetchFile,
      signal: AbortSignal.timeout(STORE_LIMITS.headersMs),
    })
    if ('refused' in answer) return answer.refused
    if (!answer.ok) return await closed(answer, `answers ${answer.status}`)
    if (isSmall) return await wholeTrouble(answer, file)
    const size = Number(
      /\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1] ?? answer.headers.get('content-length'),
    )
    return await closed(answer, size === file.size ? null : `has ${size} bytes, and the file has ${file.size}`)
  } catch {
    return 'cannot be reached'
  }
}

async function wholeTrouble(answer: Response, file: { size: number; sha256: string }): Promise<string | null> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.byteLength
    if (size > file.size) return `is longer than the file, which has ${file.size} bytes`
    hash.update(chunk)
  }
  return hash.digest('hex') === file.sha256 ? null : 'is another file (its sha256 differs)'
}

async function closed<T>(answer: Response, said: T): Promise<T> {
  await answer.body?.cancel()
  return said
}
