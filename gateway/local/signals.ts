// Who decides what a stop signal does: we do. wrangler and Miniflare both register handlers that end the process on the spot, before a node
// could finish its calls and the state folder be given back.

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** From now on only `stop` hears them. For programs that own their process. */
export function onStopSignal(stop: () => void): void {
  for (const signal of STOP_SIGNALS) process.removeAllListeners(signal).on(signal, stop)
}

/** Makes something whose constructor registers handlers of its own, and takes exactly those away again. */
export function withoutItsHandlers<T>(make: () => T): T {
  const before = STOP_SIGNALS.map((signal) => new Set(process.listeners(signal)))
  const made = make()
  STOP_SIGNALS.forEach((signal, i) => {
    for (const listener of process.listeners(signal)) if (!before[i]?.has(listener)) process.off(signal, listener)
  })
  return made
}
