// Files that the gateway makes (CSV, JSON), saved by the browser under a name of ours. Read with the session's cookie, so that what is refused is said on the page.
import { ApiError, refusalOf } from '../data/api.ts'

interface Reply {
  readonly ok: boolean
  readonly status: number
  blob(): Promise<Blob>
  json(): Promise<unknown>
  readonly headers: Headers
}

/**
 * @param asked such as `api.api.journal.$get({ query: { format: 'csv' } })`
 * @throws ApiError
 */
export async function download(asked: Promise<Reply>, fileName: string): Promise<void> {
  save(await bytesOf(asked), fileName)
}

/** @throws ApiError */
export async function bytesOf(asked: Promise<Reply>): Promise<Blob> {
  const reply = await asked.catch(() => {
    throw new ApiError(0, 'unreachable', 'The gateway cannot be reached. Your connection may be down.', null)
  })
  if (!reply.ok) throw await refusalOf(reply)
  return reply.blob()
}

/** What the page has already: an answer as JSON, say. */
export function save(contents: Blob, fileName: string): void {
  const url = URL.createObjectURL(contents)
  const link = document.createElement('a')
  link.href = url
  link.download = fileName
  link.click()
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
