// One connection to one source: brings a part file further, from where it stands. What it says about length and place is checked before a byte is
// written, and nobody can write more than was announced; whether the bytes are the right ones is asked in download.ts.
import { open as openFile, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { sentenceFor } from '../operator-error.ts'
import { open, type Source } from './sources.ts'
import { STORE_LIMITS } from './store-limits.ts'

export interface TransferNeeds {
  /** absolute path of the part file */
  readonly part: string
  /** null: the manifest does not say */
  readonly sizeBytes: number | null
  readonly fetch: typeof fetch
  readonly signal: AbortSignal
  /** told of the bytes that are there now, after each chunk */
  readonly onBytes: (bytes: number) => void
}

/**
 * `complete`: every byte is there; `fromBytes` are from before this connection. `broken`: another try may go on from here. `refused`: this
 * source has nothing for us. The sentence stands behind the name of the source.
 */
export type TransferEnd =
  | { readonly kind: 'complete'; readonly fromBytes: number }
  | { readonly kind: 'broken' | 'refused'; readonly why: string }

const refused = (why: string): TransferEnd => ({ kind: 'refused', why })
const broken = (why: string): TransferEnd => ({ kind: 'broken', why })

/** @throws OperatorError when the disk fails; the signal's reason when it is aborted */
export async function transfer(source: Source, needs: TransferNeeds): Promise<TransferEnd> {
  const { part, sizeBytes } = needs
  let from = await bytesOf(part)
  if (sizeBytes !== null && from > sizeBytes) {
    await dropPart(part)
    from = 0
  }
  if (from > 0 && from === sizeBytes) return { kind: 'complete', fromBytes: from }
  const connection = new AbortController()
  const stop = () => connection.abort()
  let late = setTimeout(stop, STORE_LIMITS.headersMs)
  const end = setTimeout(stop, STORE_LIMITS.connectionMs)
  needs.signal.addEventListener('abort', stop, { once: true })
  const isLate = () => {
    clearTimeout(late)
    late = setTimeout(stop, STORE_LIMITS.gapMs)
  }
  try {
    needs.signal.throwIfAborted()
    const headers = await headersFor(part, source, from)
    const response = await open(source, headers, { fetch: needs.fetch, signal: connection.signal })
    if ('refused' in response) return refused(response.refused)
    const begun = await begin(response, from, needs, source)
    if ('kind' in begun) {
      await response.body?.cancel()
      return begun
    }
    return await written(response, begun.at, needs, isLate)
  } catch (cause) {
    needs.signal.throwIfAborted()
    if (cause instanceof Error && cause.name === 'OperatorError') throw cause
    return broken(connection.signal.aborted ? 'went silent' : `broke off (${codeOf(cause)})`)
  } finally {
    clearTimeout(late)
    clearTimeout(end)
    needs.signal.removeEventListener('abort', stop)
    connection.abort()
  }
}

const Mark = z.object({ url: z.string(), validator: z.string() })

/** The part's own mark (RFC 9110, 13.1.5) goes along where it came from the same address; elsewhere the hash at the end is the judge. */
async function headersFor(part: string, { url }: Source, from: number): Promise<Record<string, string>> {
  // A compressed answer has no places that a part of the file could be continued at.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  if (from === 0) return headers
  headers.range = `bytes=${from}-`
  const mark = Mark.safeParse(parsed(await readFile(`${part}.json`, 'utf8').catch(() => '')))
  if (mark.success && mark.data.url === url) headers['if-range'] = mark.data.validator
  return headers
}

/** Where the answer's first byte belongs; or why it is not read. */
async function begin(
  response: Response,
  from: number,
  { part, sizeBytes }: TransferNeeds,
  { url }: Source,
): Promise<TransferEnd | { at: number }> {
  const { status, headers } = response
  if (status === 408 || status === 416 || status === 429 || status >= 500) {
    // 416: what we have is no beginning of what they have.
    if (status === 416) await dropPart(part)
    return broken(`answered ${status}`)
  }
  if (status !== 200 && status !== 206) return refused(`answered ${status}`)
  const isWhole = status === 200
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '')
  if (!isWhole && (from === 0 || Number(range?.[1]) !== from || isEncoded(headers))) {
    await dropPart(part)
    return broken('answered with another part than was asked for')
  }
  const announced = isWhole ? (isEncoded(headers) ? null : headers.get('content-length')) : range?.[2]
  const total = announced && announced !== '*' ? Number(announced) : null
  if (total !== null && sizeBytes !== null && total !== sizeBytes)
    return refused(`has ${total} bytes where the manifest says ${sizeBytes}`)
  if (total !== null && total > STORE_LIMITS.fileBytes)
    return refused('has a file that is larger than any model may be')
  if (isWhole) {
    await dropPart(part)
    const etag = headers.get('etag')
    const validator = etag !== null && !etag.startsWith('W/') ? etag : headers.get('last-modified')
    if (validator !== null) await writeFile(`${part}.json`, JSON.stringify({ url, validator })).catch(() => undefined)
  }
  return { at: isWhole ? 0 : from }
}

async function written(response: Response, at: number, needs: TransferNeeds, beat: () => void): Promise<TransferEnd> {
  const { part, sizeBytes, onBytes } = needs
  const bytesMax = sizeBytes ?? STORE_LIMITS.fileBytes
  const file = await onDisk(part, () => openFile(part, at === 0 ? 'w' : 'r+', 0o600))
  let bytes = at
  try {
    beat()
    for await (const chunk of response.body ?? []) {
      beat()
      if (bytes + chunk.byteLength > bytesMax) {
        await dropPart(part)
        return refused(`sends more than the ${bytesMax} bytes of the manifest`)
      }
      await onDisk(part, () => writeAll(file, chunk, bytes))
      bytes += chunk.byteLength
      onBytes(bytes)
    }
    await onDisk(part, () => file.sync())
  } finally {
    await file.close()
  }
  if (sizeBytes !== null && bytes < sizeBytes) return broken(`ended after ${bytes} of ${sizeBytes} bytes`)
  return { kind: 'complete', fromBytes: at }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done, position + done)
    done += bytesWritten
  }
}

export async function dropPart(part: string): Promise<void> {
  await Promise.all([part, `${part}.json`].map((path) => rm(path, { force: true })))
}

export const bytesOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

const isEncoded = (headers: Headers): boolean => !['identity', null].includes(headers.get('content-encoding'))

async function onDisk<T>(part: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: unknown) => {
    throw sentenceFor(`${part} cannot be written`, cause)
  })
}

/** undici hides the system's code behind `TypeError: fetch failed`. */
function codeOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? ('code' in inner ? String(inner.code) : inner.name) : 'unknown'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
