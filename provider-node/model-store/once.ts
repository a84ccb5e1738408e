// Waiting for something that may never come: a call's time is up, its caller leaves, the program stops. The listener never outlives the wait.

/** @param arm given what to call when it has come @throws the signal's reason */
export function once(arm: (resume: () => void) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'))
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    arm(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
  })
}
