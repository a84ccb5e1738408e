// When the program is told to stop, and when it is told to stop at once. A terminal's Ctrl-C reaches every process of its group, and whoever started this one
// (npm, or the market of one machine) sends it on: what comes right behind the first is the same Ctrl-C, and running calls may finish all the same.
import type { EventEmitter } from 'node:events'

/** ms: nobody presses twice so fast, and no relay takes so long */
const ECHO_MS = 700

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export interface SignalNeeds {
  readonly signals: Pick<EventEmitter, 'on'>
  /** ms on a clock that only goes forward */
  readonly now: () => number
  /** told of a second one: it does not wait any more */
  readonly atOnce: () => void
}

/** Resolves with the first signal. */
export function stopSignal({ signals, now, atOnce }: SignalNeeds): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | null = null
    const heard = () => {
      if (firstAt !== null && now() - firstAt > ECHO_MS) return atOnce()
      firstAt ??= now()
      resolve()
    }
    for (const signal of SIGNALS) signals.on(signal, heard)
  })
}
