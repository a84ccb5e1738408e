// Reading what a node sends, when nobody relays it: bounded in bytes, and given up when the signal says so even if the connection does not
// notice. The rest of the answer is cancelled, never drained.

export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge'
}

/** The chunks of an answer. @throws AnswerTooLarge past `bytesMax`; the signal's reason when it fires */
export async function* boundedChunks(
  response: Response,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return
  const reader = (response.body as ReadableStream<Uint8Array>).getReader() // a body is a stream of bytes
  let total = 0
  try {
    for (;;) {
      const { done, value } = await orAborted(reader.read(), signal)
      if (done) return
      total += value.byteLength
      if (total > bytesMax) throw new AnswerTooLarge(`an answer is longer than ${bytesMax} bytes`)
      yield value
    }
  } finally {
    // The peer may be gone already; there is nothing left to do with it.
    void reader.cancel().catch(() => undefined)
  }
}

/** A whole JSON answer, unparsed by any schema. @throws SyntaxError, and as {@link boundedChunks} */
export async function boundedJson(response: Response, bytesMax: number, signal: AbortSignal): Promise<unknown> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of boundedChunks(response, bytesMax, signal)) text += decoder.decode(chunk, { stream: true })
  return JSON.parse(text + decoder.decode())
}

/** The promise, or the signal's reason when that comes first: for peers and links that do not look at the signal themselves. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    // The reason of a time-out or an abort is a DOMException, which is an Error.
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
