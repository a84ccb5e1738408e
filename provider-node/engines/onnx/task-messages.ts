// What a task engine and its worker threads say to each other. Both ends are this program, so the types are the check. Tensors travel without being
// copied by the messages: their bytes stand in buffers of their own, which change hands.
import type { ModelManifest } from '../../../protocol/model.ts'
import { tensorBytes, type InferAnswer, type InferRequest } from '../../../protocol/oip.ts'
import type { Choice } from './provider.ts'
import type { RunnerRefusal, TextsAnswer, TextsJob } from './task-runner.ts'

export type TaskJob = TextsJob | InferRequest
export type TaskAnswer = TextsAnswer | InferAnswer

export interface TaskSetup {
  readonly folder: string
  readonly manifest: ModelManifest
  /** of one graph run */
  readonly threads: number
  readonly provider: string
  /** what the first thread of this model has chosen, by file */
  readonly chosen: Readonly<Record<string, Choice>>
}

export type ToTaskWorker =
  | { readonly type: 'batch'; readonly id: number; readonly jobs: readonly TaskJob[] }
  /** the caller of one job of this batch */
  | { readonly type: 'left'; readonly id: number; readonly index: number }
  | { readonly type: 'close' }

export type FromTaskWorker =
  | { readonly type: 'ready'; readonly chosen: Readonly<Record<string, Choice>> }
  | { readonly type: 'unloadable'; readonly reason: string }
  | { readonly type: 'warn'; readonly event: string; readonly fields: Readonly<Record<string, string>> }
  | { readonly type: 'answers'; readonly id: number; readonly answers: readonly (TaskAnswer | RunnerRefusal)[] }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string }

/** Elements of eight bytes begin at a multiple of eight: then the runtime reads them where they are. */
const ALIGNMENT = 8

/**
 * The job with its tensors copied into one buffer, to be handed over. The caller's own bytes stay: they are parts of a request's body, which is
 * hashed and may be computed again, and a message would copy that body once for all of them.
 */
export function packed(job: TaskJob): { readonly job: TaskJob; readonly buffers: ArrayBuffer[] } {
  if (!('modelName' in job)) return { job, buffers: [] }
  const buffer = new ArrayBuffer(tensorBytes(job.inputs) + job.inputs.length * ALIGNMENT)
  let at = 0
  const inputs = job.inputs.map((tensor) => {
    const data = new Uint8Array(buffer, at, tensor.data.byteLength)
    data.set(tensor.data)
    at = Math.ceil((at + data.byteLength) / ALIGNMENT) * ALIGNMENT
    return { ...tensor, data }
  })
  return { job: { ...job, inputs }, buffers: [buffer] }
}

/** The buffers of answers, each once: runners give bytes that nobody else holds. */
export function buffersOf(answers: readonly (TaskAnswer | RunnerRefusal)[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBufferLike>()
  for (const answer of answers) {
    if ('vectors' in answer) for (const { buffer } of answer.vectors) buffers.add(buffer)
    if ('outputs' in answer) for (const { data } of answer.outputs) buffers.add(data.buffer)
  }
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer)
}
