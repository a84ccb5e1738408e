// Text generation by an ONNX model, seen from outside: a worker thread computes, this side counts the calls, so that a full queue is refused before
// any work, and hands each its steps. What a caller is told of a failure quotes nothing.
import { Worker } from 'node:worker_threads'
import type { LoadedModel } from '../../../model-store/manifest.ts'
import { OperatorError } from '../../../operator-error.ts'
import type { EngineOptions } from '../../create.ts'
import { EngineRefusal, type TextEngine, type TextJob, type TextRun } from '../../engine.ts'
import { honoursOfText } from '../../honours.ts'
import { averaged, retryAfterSeconds } from '../../retry-after.ts'
import { autoThreads } from '../threads.ts'
import { OpenCall } from './open-call.ts'
import type { FromTextWorker, TextReply, TextWorkerSetup, ToTextWorker } from './text-messages.ts'

export type TextEngineOptions = Pick<
  EngineOptions,
  'concurrencyMax' | 'queueMax' | 'threads' | 'executionProvider' | 'now' | 'observe'
>

/** ms a worker has to release its graph before it is ended */
const CLOSE_MS = 2_000

/** Loads a checked model. @throws OperatorError when the runtime cannot read it */
export async function createTextEngine(model: LoadedModel, options: TextEngineOptions): Promise<TextEngine> {
  const { folder, manifest } = model
  const { concurrencyMax, executionProvider: provider } = options
  const threads = options.threads === 'auto' ? autoThreads(1) : options.threads
  const setup: TextWorkerSetup = { folder, manifest, concurrencyMax, threads, provider }
  const { worker, ready } = await startWorker(setup, options)
  const calls = createCalls(worker, ready.rowsMax, options)
  return {
    task: 'chat',
    ...calls,
    describe: () => ({ engine: 'onnx', provider: ready.provider, threads, sessions: 1, batch: ready.rowsMax }),
    honours: () => honoursOfText(ready.hasEveryByte),
  }
}

type Ready = Extract<FromTextWorker, { type: 'ready' }>

/** Resolves when the graph is loaded. */
function startWorker(
  setup: TextWorkerSetup,
  { observe }: TextEngineOptions,
): Promise<{ worker: Worker; ready: Ready }> {
  const worker = new Worker(new URL('./text-worker-boot.mjs', import.meta.url), { workerData: setup, execArgv: [] })
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(new OperatorError(`model ${setup.manifest.id} could not be loaded: ${reason}`))
    worker.once('error', (cause) => refuse(cause.message))
    worker.once('exit', () => refuse('its thread ended'))
    worker.on('message', (message: FromTextWorker) => {
      if (message.type === 'warn') observe.warn(message.event, { model: setup.manifest.id, ...message.fields })
      if (message.type === 'unloadable') refuse(message.reason)
      if (message.type === 'ready') resolve({ worker, ready: message })
    })
  })
}

function createCalls(worker: Worker, concurrencyMax: number, options: TextEngineOptions) {
  const { queueMax, now, observe } = options
  const calls = new Map<number, OpenCall>()
  const send = (message: ToTextWorker) => worker.postMessage(message)
  let lastId = 0
  let callSeconds: number | null = null
  const load = () => ({
    inFlight: Math.min(calls.size, concurrencyMax),
    waiting: Math.max(0, calls.size - concurrencyMax),
  })
  const retryAfter = () => retryAfterSeconds({ ...load(), concurrencyMax, callSeconds })
  worker.on('message', (message: FromTextWorker) => {
    if (message.type !== 'replies') return
    if (message.rows !== null) observe.batch(message.rows)
    for (const reply of message.replies) hear(reply)
  })

  function hear(reply: TextReply): void {
    const call = calls.get(reply.id)
    if (!call) return
    if (reply.type === 'started') observe.waited(reply.waitedMs / 1_000, call.signal)
    call.hear(reply, retryAfter)
    if (!call.isOver) return
    calls.delete(reply.id)
    if (call.computedMs !== null) callSeconds = averaged(callSeconds, call.computedMs / 1_000)
  }

  const life = watchThread(worker, () => {
    for (const call of calls.values()) call.fail('the thread ended')
    calls.clear()
  })
  return {
    load,
    isRunning: life.isRunning,
    died: life.died,
    start: async (job: TextJob, signal: AbortSignal): Promise<TextRun> => {
      if (!life.isRunning()) throw new EngineRefusal('internal', 'The model is not running.')
      if (calls.size >= concurrencyMax + queueMax)
        throw new EngineRefusal('busy', 'The queue of this model is full.', { retryAfterSeconds: retryAfter() })
      const id = ++lastId
      const call = new OpenCall(job.choices, now, signal, () => calls.has(id) && send({ type: 'cancel', id }))
      calls.set(id, call)
      send({ type: 'start', id, job })
      if (signal.aborted) call.cancel()
      return call.started
    },
    async close() {
      life.close()
      send({ type: 'close' })
      const late = setTimeout(() => void worker.terminate(), CLOSE_MS)
      await life.exited
      clearTimeout(late)
    },
  }
}

/** A thread that dies takes its calls with it; later ones are refused. */
function watchThread(worker: Worker, gone: () => void) {
  let isGone = false
  let isClosing = false
  let reason = 'its thread ended'
  // The 'exit' event follows 'error'. A name alone: a message can quote.
  worker.on('error', (cause) => (reason = `its thread failed (${'code' in cause ? String(cause.code) : cause.name})`))
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve())).then(() => {
    isGone = true
    gone()
  })
  const died = new Promise<string>((resolve) => void exited.then(() => (isClosing ? undefined : resolve(reason))))
  return { exited, died, isRunning: () => !isGone, close: () => void (isClosing = true) }
}
