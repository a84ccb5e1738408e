// Runs a workload with so many calls at the same time for so long, and says what was done in a second.
import { setMaxListeners } from 'node:events'
import type { Workload } from './workload.ts'

/** Per second, while so many calls were under way. */
export interface Pace {
  readonly concurrency: number
  readonly calls: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly bytes: number
  readonly vectors: number
  /** ms until the first text, the middle one of all calls; null for what comes in one piece */
  readonly firstMs: number | null
  /** ms of a call, the middle one */
  readonly callMs: number
}

export interface DriveNeeds {
  readonly concurrency: number
  /** ms after which no new call begins; those under way are waited for and counted */
  readonly forMs: number
  /** ms, of a clock that does not jump */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** @throws what the first call that fails throws; the others are ended */
export async function drive(work: Workload, { concurrency, forMs, now, signal }: DriveNeeds): Promise<Pace> {
  const startedAt = now()
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  // One listener per call at the same time.
  setMaxListeners(0, either)
  const sum = { calls: 0, inputTokens: 0, outputTokens: 0, bytes: 0, vectors: 0 }
  const firsts: number[] = []
  const wholes: number[] = []
  let index = 0
  async function caller(): Promise<void> {
    do {
      const calledAt = now()
      const done = await work(index++, either)
      either.throwIfAborted()
      sum.calls += 1
      sum.inputTokens += done.inputTokens
      sum.outputTokens += done.outputTokens
      sum.bytes += done.bytes
      sum.vectors += done.vectors
      wholes.push(now() - calledAt)
      if (done.firstMs !== null) firsts.push(done.firstMs)
    } while (now() - startedAt < forMs)
  }
  const callers = Array.from({ length: concurrency }, caller)
  try {
    await Promise.all(callers)
  } catch (cause) {
    failed.abort(cause)
    await Promise.allSettled(callers)
    throw cause
  }
  const seconds = Math.max(1, now() - startedAt) / 1_000
  return {
    concurrency,
    calls: sum.calls / seconds,
    inputTokens: sum.inputTokens / seconds,
    outputTokens: sum.outputTokens / seconds,
    bytes: sum.bytes / seconds,
    vectors: sum.vectors / seconds,
    firstMs: firsts.length > 0 ? middle(firsts) : null,
    callMs: middle(wholes),
  }
}

/** @example middle([3, 1, 2]) // 2 */
export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Calls at the same time that are tried: doubling, the configured number last. @example levels(12) // [1, 2, 4, 8, 12] */
export function levels(most: number): number[] {
  const found: number[] = []
  for (let level = 1; level < most; level *= 2) found.push(level)
  return [...found, most]
}
