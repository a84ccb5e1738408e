// What a refused caller sent and nobody read (a wrong key, too much of it) is taken in and thrown away, within a bound. Left lying, it makes the connection
// be reset under the answer, and the caller would hear of a broken line where an honest error was said.

/** A caller who sends more than this is cut off. */
const BYTES_MAX = 32 * 1024 * 1024

/** Reads what is left of a request, if that is not too much. Never fails: the answer is decided already. */
export async function discardUnread({ body, headers }: Request): Promise<void> {
  if (body === null || body.locked || Number(headers.get('content-length') ?? 0) > BYTES_MAX) return
  const reader = body.getReader()
  try {
    for (let bytes = 0; bytes <= BYTES_MAX;) {
      const { done, value } = await reader.read()
      if (done) return
      bytes += value.byteLength
    }
  } catch {
    // The caller has left.
  } finally {
    reader.releaseLock()
  }
}
