// A worker thread of a model that is computed in one go: onnxruntime computes on the thread that calls it, so it must not be the one that serves
// HTTP. Batches one after the other; the queue is outside (task-engine.ts). It logs nothing: what it has to say are messages, and none quotes a caller.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import type { Task } from '../../../protocol/model.ts'
import type { Choice } from './provider.ts'
import { createOpenSession, type OpenSession } from './session.ts'
import { buffersOf, type FromTaskWorker, type TaskAnswer, type TaskJob, type TaskSetup } from './task-messages.ts'
import type { ToTaskWorker } from './task-messages.ts'
import type { LoadRunner, RunnerRefusal, TaskRunner } from './task-runner.ts'

type Runner = TaskRunner<TaskJob, TaskAnswer>

/** Who computes which task. A new one is a line here. */
const RUNNERS: Partial<Record<Task, () => Promise<LoadRunner<TaskJob, TaskAnswer>>>> = {
  embeddings: async () => (await import('./runners/embedder.ts')).loadEmbedder,
  classification: async () => (await import('./runners/classification.ts')).loadClassifier,
  ocr: async () => (await import('./runners/ocr/ocr.ts')).loadOcr,
  tensors: async () => (await import('./runners/tensors.ts')).loadTensors,
}

// The engine of this program starts the thread with these data.
await serve(parentPort, workerData as TaskSetup)

async function serve(port: MessagePort | null, setup: TaskSetup): Promise<void> {
  if (!port) throw new Error('this file is the inside of a worker thread')
  const reply = (message: FromTaskWorker, transfer: readonly ArrayBuffer[] = []) =>
    port.postMessage(message, [...transfer])
  try {
    const chosen: Record<string, Choice> = {}
    const runner = await load(setup, reply, chosen)
    /** by batch: the jobs whose callers have left */
    const left = new Map<number, Set<number>>()
    let last = Promise.resolve()
    port.on('message', (message: ToTaskWorker) => {
      if (message.type === 'left') return void left.get(message.id)?.add(message.index)
      if (message.type === 'close') {
        port.close()
        return void runner.close()
      }
      const { id, jobs } = message
      const gone = new Set<number>()
      left.set(id, gone)
      last = last.then(async () => {
        // Messages of callers who left while this batch waited are heard first.
        await nextTurn()
        try {
          const answers = await computed(runner, jobs, (index) => gone.has(index))
          reply({ type: 'answers', id, answers }, buffersOf(answers))
        } catch (cause) {
          // A name alone: a message can quote.
          reply({ type: 'failed', id, reason: cause instanceof Error ? cause.name : 'unknown' })
        }
        left.delete(id)
      })
    })
    reply({ type: 'ready', chosen })
  } catch (cause) {
    reply({ type: 'unloadable', reason: cause instanceof Error ? cause.message : 'unknown' })
    port.close()
  }
}

async function load(
  { folder, manifest, threads, provider, chosen }: TaskSetup,
  reply: (message: FromTaskWorker) => void,
  choices: Record<string, Choice>,
): Promise<Runner> {
  const loader = RUNNERS[manifest.task]
  if (!loader) throw new Error(`this engine has no task ${manifest.task}`)
  const warn = (event: string, fields: Readonly<Record<string, string>>) => reply({ type: 'warn', event, fields })
  const openSession = createOpenSession({ threads, provider, warn, chosen })
  const open: OpenSession = async (file) => {
    const opened = await openSession(file)
    choices[file] = { provider: opened.provider, measured: opened.measured }
    return opened
  }
  return (await loader())(folder, manifest, open)
}

/** The queue's key is coarse; the runner's own says what goes through the graph together. */
async function computed(
  runner: Runner,
  jobs: readonly TaskJob[],
  hasLeft: (index: number) => boolean,
): Promise<readonly (TaskAnswer | RunnerRefusal)[]> {
  const groups = new Map<string | number, number[]>()
  jobs.forEach((job, index) => {
    if (hasLeft(index)) return
    const key = runner.batchKey(job) ?? index
    groups.set(key, [...(groups.get(key) ?? []), index])
  })
  const answers: (TaskAnswer | RunnerRefusal)[] = jobs.map(() => NO_ANSWER)
  for (const indices of groups.values()) {
    const own = await runner.run(
      indices.flatMap((index) => jobs[index] ?? []),
      (at) => hasLeft(indices[at] ?? -1),
    )
    indices.forEach((index, at) => (answers[index] = own[at] ?? NO_ANSWER))
  }
  return answers
}

const NO_ANSWER: RunnerRefusal = { refused: 'bad_request', message: 'The model gave no answer.' }
