// The threads of one model, side by side, each with its own session of the graph: an idle one takes the next batch. When one dies the model is dead:
// what kills a thread once under a load kills the next one too, and a node with half its threads would not keep what it offers.
import { Worker } from 'node:worker_threads'
import { OperatorError } from '../../operator-error.ts'
import type { Seat } from '../batch-call.ts'
import { EngineRefusal } from '../engine.ts'
import type { Choice } from './provider.ts'
import { packed, type FromTaskWorker, type TaskAnswer, type TaskJob, type TaskSetup } from './task-messages.ts'
import type { ToTaskWorker } from './task-messages.ts'

export interface TaskPool {
  /**
   * Computes a batch on the thread that has least to do, behind what that has. Calls that are gone when it begins are left out.
   * @throws EngineRefusal when the batch threw or the thread ended
   */
  compute(seats: readonly Seat<TaskJob>[]): Promise<readonly (TaskAnswer | EngineRefusal)[]>
  /** by file */
  readonly chosen: Readonly<Record<string, Choice>>
  isRunning(): boolean
  readonly died: Promise<string>
  close(): Promise<void>
}

/** ms a thread has to release its graph before it is ended */
const CLOSE_MS = 2_000

type Warn = (event: string, fields: Readonly<Record<string, string>>) => void

/** Resolves when all sessions are open. The first chooses the provider, the others follow. @throws OperatorError */
export async function startPool(setup: Omit<TaskSetup, 'chosen'>, sessions: number, warn: Warn): Promise<TaskPool> {
  const first = await startThread({ ...setup, chosen: {} }, warn)
  const threads = [first]
  try {
    const rest = Array.from({ length: sessions - 1 }, () => startThread({ ...setup, chosen: first.chosen }, warn))
    const started = await Promise.allSettled(rest)
    threads.push(...started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
    for (const result of started) if (result.status === 'rejected') throw result.reason
  } catch (cause) {
    await Promise.all(threads.map((thread) => thread.close()))
    throw cause
  }
  let isClosing = false
  let isGone = false
  const busy = new Map(threads.map((thread) => [thread, 0]))
  const died = new Promise<string>((resolve) => {
    for (const { exited } of threads)
      void exited.then((reason) => {
        isGone = true
        if (!isClosing) resolve(reason)
      })
  })
  return {
    async compute(seats) {
      const thread = threads.reduce((best, one) => ((busy.get(one) ?? 0) < (busy.get(best) ?? 0) ? one : best))
      busy.set(thread, (busy.get(thread) ?? 0) + 1)
      try {
        return await thread.compute(seats)
      } finally {
        busy.set(thread, (busy.get(thread) ?? 1) - 1)
      }
    },
    chosen: first.chosen,
    isRunning: () => !isGone,
    died,
    async close() {
      isClosing = true
      await Promise.all(threads.map((thread) => thread.close()))
    },
  }
}

interface Thread extends Pick<TaskPool, 'compute' | 'chosen' | 'close'> {
  /** Resolves with the reason, whatever it is. */
  readonly exited: Promise<string>
}

function startThread(setup: TaskSetup, warn: Warn): Promise<Thread> {
  const worker = new Worker(new URL('./task-boot.mjs', import.meta.url), { workerData: setup, execArgv: [] })
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(new OperatorError(`model ${setup.manifest.id} could not be loaded: ${reason}`))
    worker.once('error', (cause) => refuse(cause.message))
    worker.once('exit', () => refuse('its thread ended'))
    const listen = (message: FromTaskWorker) => {
      if (message.type === 'warn') return warn(message.event, message.fields)
      worker.off('message', listen)
      if (message.type === 'ready') resolve(runThread(worker, message.chosen))
      else refuse(message.type === 'unloadable' ? message.reason : message.type)
    }
    worker.on('message', listen)
  })
}

function runThread(worker: Worker, chosen: Thread['chosen']): Thread {
  let lastId = 0
  /** what to tell of each batch that was handed over */
  const batches = new Map<number, (message: FromTaskWorker | null) => void>()
  let reason = 'its thread ended'
  // A name alone: a message can quote. The 'exit' event follows 'error'.
  worker.on('error', (cause) => (reason = `its thread failed (${'code' in cause ? String(cause.code) : cause.name})`))
  worker.on('message', (message: FromTaskWorker) => 'id' in message && batches.get(message.id)?.(message))
  let isGone = false
  const exited = new Promise<string>((resolve) =>
    worker.once('exit', () => {
      isGone = true
      resolve(reason)
      for (const settle of [...batches.values()]) settle(null)
    }),
  )
  const send = (message: ToTaskWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer)
  return {
    chosen,
    exited,
    async compute(seats) {
      if (isGone) throw failed('the thread ended')
      const id = ++lastId
      const { jobs, buffer } = packed(seats.map(({ job }) => job))
      for (const [index, seat] of seats.entries()) seat.onGone = () => send({ type: 'left', id, index })
      const message = await new Promise<FromTaskWorker | null>((resolve) => {
        batches.set(id, resolve)
        send({ type: 'batch', id, jobs }, [buffer])
      })
      batches.delete(id)
      for (const seat of seats) seat.onGone = null
      if (message?.type !== 'answers') throw failed(message?.type === 'failed' ? message.reason : 'the thread ended')
      return message.answers.map((answer) =>
        'refused' in answer ? new EngineRefusal(answer.refused, answer.message) : answer,
      )
    },
    async close() {
      if (isGone) return
      send({ type: 'close' })
      const late = setTimeout(() => void worker.terminate(), CLOSE_MS)
      await exited
      clearTimeout(late)
    },
  }
}

const failed = (cause: string) => new EngineRefusal('internal', 'The model failed.', { cause })
