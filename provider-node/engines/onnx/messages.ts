// What the engine and its worker thread say to each other. Both ends are this program, so the types are the check.
import type { Task } from '../../../protocol/model.ts'

export interface WorkerSetup {
  readonly folder: string
  readonly task: Task
  readonly contextTokens: number
  /** sequences computed in turns; the others wait */
  readonly concurrencyMax: number
  /** threads of one graph run */
  readonly threads: number
}

export type ToWorker =
  | { readonly type: 'embed'; readonly id: number; readonly inputs: readonly string[] }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' }

export type FromWorker =
  { readonly type: 'ready' } | { readonly type: 'unloadable'; readonly reason: string } | ReplyFromWorker

export type ReplyFromWorker =
  | {
      readonly type: 'vectors'
      readonly id: number
      readonly vectors: readonly Float32Array[]
      readonly inputTokens: number
    }
  | { readonly type: 'cancelled'; readonly id: number; readonly outputTokens: number }
  | { readonly type: 'too_long'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string }
