// What a task engine and its worker threads say to each other. Both ends are this program, so the types are the check. Tensors travel without being
// copied by the messages: their bytes stand in buffers of their own, which change hands.
import type { ServedManifest } from '../../../protocol/model.ts'
import type { InferAnswer, InferRequest, Tensor } from '../../../protocol/oip.ts'
import type { Choice } from './provider.ts'
import type { RunnerRefusal, TextsAnswer, TextsJob } from './task-runner.ts'

export type TaskJob = TextsJob | InferRequest
export type TaskAnswer = TextsAnswer | InferAnswer

export interface TaskSetup {
  readonly folder: string
  readonly manifest: ServedManifest
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
 * The jobs of a batch with all their tensors copied into one buffer, to be handed over. The callers' own bytes stay: they are parts of a request's
 * body, which is hashed and may be computed again, and a message would copy that whole body.
 */
export function packed(jobs: readonly TaskJob[]): { readonly jobs: readonly TaskJob[]; readonly buffer: ArrayBuffer } {
  const tensors = jobs.flatMap((job) => ('modelName' in job ? job.inputs : []))
  const buffer = new ArrayBuffer(tensors.reduce((sum, { data }) => sum + aligned(data.byteLength), 0))
  let at = 0
  const copied = (tensor: Tensor): Tensor => {
    const data = new Uint8Array(buffer, at, tensor.data.byteLength)
    data.set(tensor.data)
    at += aligned(data.byteLength)
    return { ...tensor, data }
  }
  return { jobs: jobs.map((job) => ('modelName' in job ? { ...job, inputs: job.inputs.map(copied) } : job)), buffer }
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

/** The buffers of answers, each once: several answers may be views of one, and nobody else holds any. */
export function buffersOf(answers: readonly (TaskAnswer | RunnerRefusal)[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBufferLike>()
  for (const answer of answers) {
    if ('vectors' in answer) for (const { buffer } of answer.vectors) buffers.add(buffer)
    if ('outputs' in answer) for (const { data } of answer.outputs) buffers.add(data.buffer)
  }
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer)
}
