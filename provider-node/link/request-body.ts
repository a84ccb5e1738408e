// The body of a call that comes over the link: parts arrive as frames and are handed on as they are asked for. Who sends may send so much as was
// granted, and more is granted only when parts were taken: a call that waits holds one window and no more.
import { LINK } from '../../protocol/link.ts'

export interface RequestBody {
  readonly stream: ReadableStream<Uint8Array>
  /** false when the sender broke a rule: beyond its credit, beyond what it announced, or after the end */
  push(part: Uint8Array): boolean
  /** false likewise: twice, or before everything announced has come */
  end(): boolean
  /** The rest will not come. */
  fail(): void
}

/** @param bodyBytes as announced @param grant asks for so many bytes more */
export function createRequestBody(bodyBytes: number, grant: (bytes: number) => void): RequestBody {
  const parts: Uint8Array[] = []
  let window: number = LINK.windowBytes
  let received = 0
  let taken = 0
  let isWanted = false
  let state: 'coming' | 'whole' | 'over' = 'coming'
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null

  function give(): void {
    if (!controller || !isWanted) return
    const part = parts.shift()
    if (part) {
      isWanted = false
      taken += part.byteLength
      controller.enqueue(part)
      // What fits into the window needs no grant.
      if (taken >= LINK.grantBytes && bodyBytes - received > window) {
        window += taken
        grant(taken)
        taken = 0
      }
      return
    }
    if (state === 'whole') over(() => controller?.close())
  }

  function over(last: () => void): void {
    if (state === 'over') return
    state = 'over'
    parts.length = 0
    last()
  }

  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given
      },
      pull() {
        isWanted = true
        give()
      },
      // The call has read enough, or was refused: what still comes is within the window, and is dropped.
      cancel: () => over(() => undefined),
    },
    { highWaterMark: 0 },
  )

  let isEnded = false
  return {
    stream,
    push(part) {
      received += part.byteLength
      window -= part.byteLength
      if (isEnded || window < 0 || received > bodyBytes) return false
      if (state !== 'coming' || part.byteLength === 0) return true
      parts.push(part)
      give()
      return true
    },
    end() {
      if (isEnded || received !== bodyBytes) return false
      isEnded = true
      if (state === 'coming') state = 'whole'
      give()
      return true
    },
    fail: () => over(() => controller?.error(new Error('the body did not arrive whole'))),
  }
}
