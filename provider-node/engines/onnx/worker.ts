// The worker thread of one model: onnxruntime computes on the thread that calls it, so it must not be the one that serves HTTP.
// Tokenizing happens here too. It logs nothing: what it has to say are messages, and no message carries a prompt back.
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { EMBED_BATCH, loadEmbedder } from './embedder.ts'
import type { FromWorker, ToWorker, WorkerSetup } from './messages.ts'
import { loadTokenizer } from './text/tokenizer.ts'

type Job = Extract<ToWorker, { id: number }>
interface Task {
  take(message: Job): void
  close(): Promise<void>
}

await serve(parentPort, workerData)

async function serve(port: MessagePort | null, setup: WorkerSetup): Promise<void> {
  if (!port) throw new Error('this file is the inside of a worker thread')
  const reply = (message: FromWorker) => port.postMessage(message)
  try {
    const task = await embeddingTask(setup, reply)
    port.on('message', (message: ToWorker) => {
      if (message.type !== 'close') return taken(task, message, reply)
      port.close()
      void task.close()
    })
    reply({ type: 'ready' })
  } catch (cause) {
    reply({ type: 'unloadable', reason: cause instanceof Error ? cause.message : 'unknown' })
    port.close()
  }
}

/** One call that cannot even be begun must not take the thread and everybody else's calls with it. */
function taken(task: Task, message: Job, reply: (message: FromWorker) => void): void {
  try {
    task.take(message)
  } catch (cause) {
    reply({ type: 'failed', id: message.id, reason: cause instanceof Error ? cause.name : 'unknown' })
  }
}

async function embeddingTask(setup: WorkerSetup, reply: (message: FromWorker) => void): Promise<Task> {
  const tokenizer = loadTokenizer(setup.folder)
  const embedder = await loadEmbedder(join(setup.folder, 'model.onnx'), setup.threads)
  const pending = new Set<number>()
  const left = new Set<number>()

  async function embed(id: number, inputs: readonly string[]): Promise<void> {
    if (left.has(id)) return reply({ type: 'cancelled', id, outputTokens: 0 })
    const texts = inputs.map((input) => tokenizer.encode(input))
    if (texts.some((ids) => ids.length > setup.contextTokens)) return reply({ type: 'too_long', id })
    const vectors: Float32Array[] = []
    for (let start = 0; start < texts.length && !left.has(id); start += EMBED_BATCH) {
      vectors.push(...(await embedder.run(texts.slice(start, start + EMBED_BATCH))))
      await nextTurn()
    }
    const inputTokens = texts.reduce((sum, ids) => sum + ids.length, 0)
    if (vectors.length === texts.length) return reply({ type: 'vectors', id, vectors, inputTokens })
    reply({ type: 'cancelled', id, outputTokens: 0 })
  }

  const fail = (id: number) => (cause: unknown) =>
    reply({ type: 'failed', id, reason: cause instanceof Error ? cause.name : 'unknown' })
  // One batch after the other: the graph runs on this thread anyway.
  let queue = Promise.resolve()
  return {
    take(message) {
      const { id } = message
      if (message.type === 'cancel') return void (pending.has(id) && left.add(id))
      if (message.type !== 'embed') return reply({ type: 'failed', id, reason: 'not an embedding model' })
      pending.add(id)
      const forget = () => [pending, left].forEach((ids) => ids.delete(id))
      queue = queue.then(() => embed(id, message.inputs).catch(fail(id)).finally(forget))
    },
    close: () => embedder.close(),
  }
}
