// Models as ONNX files, run by onnxruntime in this process: one worker thread per model. Counts calls here, so that a full queue is refused
// before any work; the worker computes `concurrencyMax` of them in turns.
import { Worker } from 'node:worker_threads'
import type { LoadedModel } from '../../models.ts'
import { OperatorError } from '../../operator-error.ts'
import { EngineRefusal, type EmbeddingJob, type Engine, type Vectors } from '../engine.ts'
import type { FromWorker, ReplyFromWorker, ToWorker, WorkerSetup } from './messages.ts'
import { createTextEngine, type TextEngineOptions } from './text/text-engine.ts'

export type OnnxOptions = TextEngineOptions

/** ms a worker has to release its graph before it is ended */
const CLOSE_MS = 2_000

type Listener = (reply: ReplyFromWorker | 'worker_gone') => void

/** Loads a checked model. @throws OperatorError when the runtime cannot read it */
export async function createOnnxEngine(model: LoadedModel, options: OnnxOptions): Promise<Engine> {
  const { task, contextTokens, id } = model.manifest
  if (task === 'chat') return createTextEngine(model, options)
  const { concurrencyMax } = options
  const threads = options.threads === 'auto' ? 1 : options.threads
  const setup: WorkerSetup = { folder: model.folder, task, contextTokens, concurrencyMax, threads }
  const calls = createCalls(await startWorker(setup, id), options)
  const { load, isRunning, died, close } = calls
  const describe = () => ({ engine: 'onnx', provider: 'cpu', threads })
  const base = { load, isRunning, describe, died, close }
  if (task === 'embeddings') return { ...base, task, embed: (job, signal) => embed(calls, job, signal) }
  throw new OperatorError(`model ${id} cannot be served: this engine has no task ${task}`)
}

/** Resolves when the graph is loaded. */
function startWorker(setup: WorkerSetup, id: string): Promise<Worker> {
  const worker = new Worker(new URL('./worker-boot.mjs', import.meta.url), { workerData: setup, execArgv: [] })
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) => reject(new OperatorError(`model ${id} could not be loaded: ${reason}`))
    worker.once('error', (cause) => refuse(cause.message))
    worker.once('exit', () => refuse('its thread ended'))
    worker.once('message', (first: FromWorker) => {
      if (first.type === 'unloadable') refuse(first.reason)
      else resolve(worker)
    })
  })
}

interface Calls {
  /** Sends a call and routes its replies to `listener` until that returns true. @throws EngineRefusal `busy`, `internal` */
  open(build: (id: number) => ToWorker, listener: Listener): number
  cancel(id: number): void
  /** No reply of this call is expected any more. */
  forget(id: number): void
  load(): { inFlight: number; waiting: number }
  isRunning(): boolean
  readonly died: Promise<string>
  close(): Promise<void>
}

function createCalls(worker: Worker, { concurrencyMax, queueMax }: OnnxOptions): Calls {
  const listeners = new Map<number, Listener>()
  let lastId = 0
  let isGone = false
  const send = (message: ToWorker) => worker.postMessage(message)
  worker.on('message', (message: FromWorker) => {
    if ('id' in message) listeners.get(message.id)?.(message)
  })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let reason = 'its thread ended'
  let isClosing = false
  // A thread that dies takes its calls with it; later ones are refused. The 'exit' event follows 'error'. A name alone: a message can quote.
  worker.on('error', (cause) => (reason = `its thread failed (${'code' in cause ? String(cause.code) : cause.name})`))
  void exited.then(() => {
    isGone = true
    for (const listener of [...listeners.values()]) listener('worker_gone')
  })
  const died = new Promise<string>((resolve) => void exited.then(() => (isClosing ? undefined : resolve(reason))))
  return {
    open(build, listener) {
      if (isGone) throw new EngineRefusal('internal', 'The model is not running.')
      if (listeners.size >= concurrencyMax + queueMax)
        throw new EngineRefusal('busy', 'The queue of this model is full.')
      const id = ++lastId
      listeners.set(id, listener)
      send(build(id))
      return id
    },
    cancel: (id) => (listeners.has(id) ? send({ type: 'cancel', id }) : undefined),
    forget: (id) => void listeners.delete(id),
    load: () => ({
      inFlight: Math.min(listeners.size, concurrencyMax),
      waiting: Math.max(0, listeners.size - concurrencyMax),
    }),
    isRunning: () => !isGone,
    died,
    async close() {
      isClosing = true
      send({ type: 'close' })
      const late = setTimeout(() => void worker.terminate(), CLOSE_MS)
      await exited
      clearTimeout(late)
    },
  }
}

const failed = (reason: string) => new EngineRefusal('internal', 'The model failed.', { cause: reason })
const tooLong = () =>
  new EngineRefusal('context_length_exceeded', 'The input leaves no room in the context of the model.')

function embed(calls: Calls, { inputs }: EmbeddingJob, signal: AbortSignal): Promise<Vectors> {
  return new Promise((resolve, reject) => {
    const cancel = () => calls.cancel(id)
    const end = () => {
      calls.forget(id)
      signal.removeEventListener('abort', cancel)
    }
    const id = calls.open(
      (callId) => ({ type: 'embed', id: callId, inputs }),
      (reply) => {
        end()
        if (reply === 'worker_gone') return reject(failed('the thread ended'))
        if (reply.type === 'vectors')
          return resolve({ vectors: reply.vectors.map((vector) => [...vector]), inputTokens: reply.inputTokens })
        reject(reply.type === 'too_long' ? tooLong() : failed(reply.type))
      },
    )
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
  })
}
