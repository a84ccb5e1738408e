// The worker thread of one model for text: onnxruntime computes on the thread that calls it, so it must not be the one that serves HTTP. Prompts
// are made here too. It logs nothing: what it has to say are messages, and no message carries a prompt back.
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import type { ServedManifest } from '../../../../protocol/model.ts'
import { NODE_LIMITS } from '../../../limits.ts'
import type { TextJob } from '../../engine.ts'
import { createOpenSession, type SessionNeeds } from '../session.ts'
import type { Decoder } from './decoder.ts'
import { openDecoder } from './open-decoder.ts'
import { promptTokens } from './prompt.ts'
import { Scheduler } from './scheduler.ts'
import { loadTemplate } from './template.ts'
import type { FromTextWorker, TextReply, TextWorkerSetup, ToTextWorker } from './text-messages.ts'
import { loadTokenizer } from './tokenizer.ts'

await serve(parentPort, workerData)

async function serve(port: MessagePort | null, setup: TextWorkerSetup): Promise<void> {
  if (!port) throw new Error('this file is the inside of a worker thread')
  const tell = (message: FromTextWorker) => port.postMessage(message)
  try {
    const warn: SessionNeeds['warn'] = (event, fields) => tell({ type: 'warn', event, fields })
    const needs = { threads: setup.threads, provider: setup.provider, hasArena: true, warn }
    const file = join(setup.folder, graphFile(setup.manifest))
    const { decoder, provider, isBatchable } = await openDecoder(file, needs, createOpenSession)
    const rowsMax = isBatchable ? setup.concurrencyMax : 1
    const { take, stop, hasEveryByte } = createText(setup, rowsMax, decoder, tell)
    port.on('message', (message: ToTextWorker) => {
      if (message.type !== 'close') return take(message)
      stop()
      port.close()
      void decoder.close()
    })
    tell({ type: 'ready', provider, rowsMax, hasEveryByte })
  } catch (cause) {
    tell({ type: 'unloadable', reason: cause instanceof Error ? cause.message : 'unknown' })
    port.close()
  }
}

/** The graph is `model.onnx`, or the only graph there is. @throws Error */
function graphFile({ files }: ServedManifest): string {
  const graphs = Object.keys(files).filter((name) => name.endsWith('.onnx'))
  const [only] = graphs.includes('model.onnx') ? ['model.onnx'] : graphs
  if (only === undefined || (graphs.length > 1 && only !== 'model.onnx'))
    throw new Error('its manifest names no model.onnx, and not exactly one other graph')
  return only
}

function createText(
  setup: TextWorkerSetup,
  rowsMax: number,
  decoder: Decoder,
  tell: (message: FromTextWorker) => void,
) {
  const { folder, manifest } = setup
  const tokenizer = loadTokenizer(folder, manifest.tokenizer)
  const template = loadTemplate(folder, manifest, tokenizer)
  const scheduler = new Scheduler({
    decoder,
    tokens: tokenizer,
    contextTokens: manifest.contextTokens,
    rowsMax,
    prefillTokensMax: NODE_LIMITS.prefillTokens,
    cachePositionsMax: Math.floor(NODE_LIMITS.cacheBytes / decoder.positionBytes),
    now: Date.now,
    send: (replies, rows) => tell({ type: 'replies', replies, rows }),
    breathe: () => nextTurn(),
  })
  const reply = (one: TextReply) => tell({ type: 'replies', replies: [one], rows: null })

  function begin(id: number, job: TextJob): void {
    const prompt = promptTokens(job, tokenizer, manifest, template)
    if ('tokens' in prompt) return scheduler.add(id, job, prompt.tokens)
    if ('tooLong' in prompt) return reply({ type: 'refused', id, ...TOO_LONG })
    reply({ type: 'refused', id, code: prompt.refused, message: prompt.message })
  }
  return {
    hasEveryByte: tokenizer.canSayAnything,
    stop: () => scheduler.stop(),
    /** One call that cannot even be begun must not take the thread and everybody else's calls with it. */
    take(message: Exclude<ToTextWorker, { type: 'close' }>): void {
      if (message.type === 'cancel') return scheduler.cancel(message.id)
      try {
        begin(message.id, message.job)
      } catch (cause) {
        reply({ type: 'failed', id: message.id, reason: cause instanceof Error ? cause.name : 'unknown' })
      }
    },
  }
}

const TOO_LONG = {
  code: 'context_length_exceeded',
  message: 'The input leaves no room in the context of the model.',
} as const
