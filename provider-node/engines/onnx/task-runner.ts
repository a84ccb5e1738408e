// What a worker thread does with calls that are computed in one go (embeddings, classification, ocr, tensors): a runner per task, loaded from a
// checked model folder, given calls in batches. The thread around it (task-worker.ts) does queues, messages and cancels; runners only compute.
import type { ServedManifest } from '../../../protocol/model.ts'
import type { InferAnswer, InferRequest } from '../../../protocol/oip.ts'
import type { OpenSession } from './session.ts'

/** Of one call: its neighbours in the batch are not touched by it. `message` names a field or a tensor and quotes nothing. */
export interface RunnerRefusal {
  readonly refused: 'bad_request' | 'context_length_exceeded'
  readonly message: string
}

export interface TaskRunner<Job, Answer> {
  /** Jobs are computed in one batch only when their keys are equal: the shapes of tensors, say. Null: only alone. */
  batchKey(job: Job): string | null
  /**
   * Answers in the order of the jobs. A runner of many steps may ask between them whether a job's caller has left: what it answers for that one
   * is read by nobody. @throws whatever the runtime throws: then no job of the batch has an answer
   */
  run(jobs: readonly Job[], hasLeft?: (index: number) => boolean): Promise<readonly (Answer | RunnerRefusal)[]>
  close(): Promise<void>
}

export interface TextsJob {
  readonly inputs: readonly string[]
  readonly dimensions: number | null
}
export interface TextsAnswer {
  readonly vectors: readonly Float32Array[]
  readonly inputTokens: number
}

/** @throws Error when a file is missing or is not what the task needs: its message is for the operator */
export type LoadRunner<Job, Answer> = (
  folder: string,
  manifest: ServedManifest,
  open: OpenSession,
) => Promise<TaskRunner<Job, Answer>>

export type LoadEmbedder = LoadRunner<TextsJob, TextsAnswer>
export type LoadTensorRunner = LoadRunner<InferRequest, InferAnswer>
