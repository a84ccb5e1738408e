// A model whose thread dies must not look healthy: its node says so, refuses its calls, and ends so that it can be started again.
import { Worker } from 'node:worker_threads'
import { afterEach, expect, it, vi } from 'vitest'
import { runStart } from '../../provider-node/cli/start.ts'
import { saveConfig } from '../../provider-node/config-file.ts'
import { createOnnxEngine } from '../../provider-node/engines/onnx/onnx-engine.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import { aJob, ENGINE_OPTIONS } from './jobs.ts'
import {
  aConfig,
  aNode,
  aTemporaryFolder,
  CHAT_PATH,
  chatBody,
  EMBEDDINGS_PATH,
  metric,
  send,
  shippedFolder,
} from './builders.ts'

afterEach(() => vi.restoreAllMocks())

/** The threads that were sent something since. */
function watchWorkers(): Set<Worker> {
  const seen = new Set<Worker>()
  const original = Reflect.get(Worker.prototype, 'postMessage')
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...given) {
    seen.add(this)
    return original.apply(this, given)
  })
  return seen
}
const endAll = (workers: Set<Worker>) => Promise.all([...workers].map((worker) => worker.terminate()))

it('says 503 and which model died, refuses its calls, and goes on with the other model meanwhile', async () => {
  const node = await aNode()
  const workers = watchWorkers()
  const answer = await send(node, CHAT_PATH, chatBody('hello'))
  await answer.text()
  expect((await fetch(`${node.url}/healthz`)).status).toBe(200)
  await endAll(workers)
  expect(await node.died).toBe('the model souk/tiny-chat died: its thread ended')
  const health = await fetch(`${node.url}/healthz`)
  expect(health.status).toBe(503)
  expect(await health.json()).toMatchObject({
    status: 'failed',
    models: [
      { model: 'souk/tiny-chat', running: false },
      { model: 'souk/word-vectors', running: true },
    ],
  })
  expect(await metric(node, 'souk_node_model_loaded')).toBe(0)
  expect((await send(node, CHAT_PATH, chatBody('hello'))).status).toBe(500)
  const embedding = await send(node, EMBEDDINGS_PATH, JSON.stringify({ model: 'souk/word-vectors', input: 'a cat' }))
  expect(embedding.status).toBe(200)
  await node.dispose()
})

it('ends the program with a sentence', async () => {
  const home = await aTemporaryFolder()
  await createIdentity(home.path)
  await saveConfig(home.path, aConfig('http://127.0.0.1:9'))
  const workers = new Set<Worker>()
  const lines: string[] = []
  const print = (line: string) => {
    lines.push(line)
    if (line.startsWith('ready')) for (const worker of workers) void worker.terminate()
  }
  const once = Reflect.get(Worker.prototype, 'once')
  vi.spyOn(Worker.prototype, 'once').mockImplementation(function (this: Worker, event, listener) {
    workers.add(this)
    return once.call(this, event, listener)
  })
  const options = { text: () => home.path, flag: () => false, all: () => [], positionals: [] }
  const run = runStart(options, { print, tell: () => undefined, env: {} }, () => new Promise(() => undefined))
  await expect(run).rejects.toMatchObject({
    name: 'OperatorError',
    exitCode: 1,
    message: expect.stringContaining('died'),
  })
  expect(lines.at(-1)).toContain('stopped')
  await home.remove()
})

it('loses one call and not its thread to a job that cannot be begun', async () => {
  const engine = await createOnnxEngine(await loadModel(shippedFolder('tiny-chat')), {
    ...ENGINE_OPTIONS,
  })
  if (engine.task !== 'chat') throw new Error('not a chat model')
  const never = new AbortController().signal
  const broken = aJob('', { prompt: { kind: 'chat', messages: [null as never] } })
  await expect(engine.start(broken, never)).rejects.toMatchObject({ code: 'internal' })
  const run = await engine.start(aJob('hello', { outputTokensMax: 2 }), never)
  expect((await run.ended).outcome).toBe('complete')
  expect(engine.isRunning()).toBe(true)
  await engine.close()
})
