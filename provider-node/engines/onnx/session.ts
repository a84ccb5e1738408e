// Opening a graph: on the execution provider the operator asked for, else on the processor with a warning. A provider is known to work only when
// a session was opened on it: what the runtime lists says nothing about drivers.
import { InferenceSession } from 'onnxruntime-node'

export interface SessionNeeds {
  /** of one graph run */
  readonly threads: number
  /** a provider of onnxruntime (`cpu`, `cuda`, `webgpu`, …); cpu needs no probe */
  readonly provider: string
  readonly warn: (event: string, fields: Readonly<Record<string, string>>) => void
}

/** @param file absolute path @throws Error when no provider can open it */
export type OpenSession = (file: string) => Promise<{ session: InferenceSession; provider: string }>

export function createOpenSession({ threads, provider, warn }: SessionNeeds): OpenSession {
  return async (file) => {
    if (provider !== 'cpu') {
      try {
        return { session: await InferenceSession.create(file, sessionOptions(threads, provider)), provider }
      } catch (cause) {
        warn('provider_unusable', { provider, cause: cause instanceof Error ? cause.message.slice(0, 200) : 'unknown' })
      }
    }
    return { session: await InferenceSession.create(file, sessionOptions(threads, 'cpu')), provider: 'cpu' }
  }
}

/** Warnings about unused initializers say nothing to an operator: errors only. */
const sessionOptions = (threads: number, provider: string): InferenceSession.SessionOptions => ({
  executionProviders: [provider],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
})
