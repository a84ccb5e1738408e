// Models that are computed in one go (embeddings, classification, ocr, tensors): a queue that forms batches, before threads that compute them. A call is
// refused here, before any work, when the queue is full or its time is over.
import type { LoadedModel } from '../../model-store/manifest.ts'
import { tensorBytes } from '../../../protocol/oip.ts'
import { OperatorError } from '../../operator-error.ts'
import { BatchQueue } from '../batch-queue.ts'
import type { EngineOptions } from '../create.ts'
import { honoursOfTask } from '../honours.ts'
import { EngineRefusal, type EmbeddingEngine, type JobOwner, type TensorEngine } from '../engine.ts'
import { tensorBatchKey } from './runners/tensor-batch.ts'
import type { TaskAnswer, TaskJob } from './task-messages.ts'
import { startPool, type TaskPool } from './task-pool.ts'
import { autoThreads } from './threads.ts'

/** Bytes of the tensors of one batch: as much as one call may bring alone. Characters of its texts: a few seconds of work for a small model. */
const BATCH_BYTES = 16 * 1024 * 1024
const BATCH_CHARACTERS = 256 * 1024

/** Loads a checked model. @throws OperatorError when the runtime cannot read it, or it is not what its manifest says */
export async function createTaskEngine(
  model: LoadedModel,
  options: EngineOptions,
): Promise<EmbeddingEngine | TensorEngine> {
  const { manifest, folder } = model
  const { task, id } = manifest
  if (task === 'chat') throw new OperatorError(`model ${id} cannot be served: a chat is not computed in one go`)
  const { sessions, executionProvider: provider, observe } = options
  const threads = options.threads === 'auto' ? autoThreads(sessions) : options.threads
  const pool = await startPool({ folder, manifest, threads, provider }, sessions, (event, fields) =>
    observe.warn(event, { model: id, ...fields }),
  )
  const queue = new BatchQueue<TaskJob, TaskAnswer>({
    lanes: sessions,
    concurrencyMax: options.concurrencyMax,
    queueMax: options.queueMax,
    batchMax: manifest.batchMax ?? 1,
    batchCostMax: task === 'embeddings' ? BATCH_CHARACTERS : BATCH_BYTES,
    compute: pool.compute,
    now: options.now,
    observe,
  })
  void pool.died.then(() => queue.close(GONE))
  const base = {
    load: () => queue.load(),
    isRunning: pool.isRunning,
    describe: () => ({ engine: 'onnx', ...chosenOf(pool), threads, sessions, batchMax: manifest.batchMax ?? 1 }),
    honours: () => honoursOfTask(task),
    died: pool.died,
    async close() {
      queue.close(GONE)
      await pool.close()
    },
  }
  const submit = (job: TaskJob, owner: JobOwner, signal: AbortSignal) =>
    queue.submit(job, { ...owner, ...shapeOf(job, task === 'tensors') }, signal)
  if (task === 'embeddings')
    return {
      ...base,
      task,
      async embed({ inputs, dimensions, ...owner }, signal) {
        const answer = await submit({ inputs, dimensions }, owner, signal)
        if (!('vectors' in answer)) throw new EngineRefusal('internal', 'The model failed.')
        return { ...answer, vectors: answer.vectors.map((vector) => [...vector]) }
      },
    }
  return {
    ...base,
    task,
    async infer({ request, ...owner }, signal) {
      const answer = await submit(request, owner, signal)
      if (!('outputs' in answer)) throw new EngineRefusal('internal', 'The model failed.')
      return answer
    },
  }
}

const GONE = new EngineRefusal('internal', 'The model is not running.')

/** What the queue counts a job as. Runners of texts and images look at more than a shape, and say so themselves. */
function shapeOf(job: TaskJob, isTensors: boolean): { cost: number; batchKey: string | null } {
  if (!('modelName' in job))
    return {
      cost: Math.max(
        1,
        job.inputs.reduce((sum, text) => sum + text.length, 0),
      ),
      batchKey: '',
    }
  return { cost: Math.max(1, tensorBytes(job.inputs)), batchKey: isTensors ? tensorBatchKey(job) : '' }
}

/** @example { provider: 'cpu', cpuMs: 1.25, webgpuMs: 4.1 }: what was chosen, and what was measured for it */
function chosenOf({ chosen }: TaskPool): Record<string, string | number> {
  const choices = Object.values(chosen)
  const told: Record<string, string | number> = { provider: [...new Set(choices.map((c) => c.provider))].join(', ') }
  for (const { measured } of choices)
    for (const [provider, ms] of Object.entries(measured))
      told[`${provider}Ms`] = Math.round((Number(told[`${provider}Ms`] ?? 0) + ms) * 1_000) / 1_000
  return told
}
