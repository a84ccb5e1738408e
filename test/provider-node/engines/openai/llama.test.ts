// A real llama.cpp behind the engine: the weights of tiny-chat in its own container must give the answers our runtime gives, and a node in front of it
// must serve, count and cancel as before any other engine.
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TextEngine } from '../../../../provider-node/engines/engine.ts'
import { createOnnxEngine } from '../../../../provider-node/engines/onnx/onnx-engine.ts'
import { createOpenAiEngine } from '../../../../provider-node/engines/openai/openai-engine.ts'
import { loadModel } from '../../../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../../../provider-node/model-store/manifest.ts'
import { Receipt } from '../../../../protocol/receipt.ts'
import { decodeJwt } from 'jose'
import { llamaLibrary, startLlamaServer, type LlamaServer } from '../../../support/llama-server.ts'
import {
  A_STORY,
  aNode,
  aTemporaryFolder,
  CHAT_PATH,
  chatBody,
  eventually,
  metric,
  readAnswer,
  send,
  shippedFolder,
  aTicket,
  type TestNode,
} from '../../builders.ts'
import { evalItems } from '../../eval-items.ts'
import { aJob, answerOf } from '../../jobs.ts'
import { anObserver } from '../upstream/scripted-server.ts'

const isHere = llamaLibrary() !== null
if (!isHere && process.env.CI !== undefined && process.platform === 'linux' && process.arch === 'x64')
  throw new Error('llama.cpp is missing: run npm ci with its optional dependencies')

describe.skipIf(!isHere)('llama.cpp (its package has no binary for this machine: skipped)', () => {
  let llama: LlamaServer
  let model: LoadedModel
  let engine: TextEngine
  beforeAll(async () => {
    llama = await startLlamaServer(shippedFolder('tiny-chat'))
    model = await loadModel(shippedFolder('tiny-chat'))
    const options = {
      concurrencyMax: 4,
      queueMax: 200,
      upstream: { url: llama.url, model: llama.model, apiKey: null },
      now: Date.now,
      observe: anObserver().observe,
    }
    const made = await createOpenAiEngine(model, options)
    if (made.task !== 'chat') throw new Error('not a chat model')
    engine = made
  })
  afterAll(async () => {
    await engine?.close()
    await llama?.close()
  })

  it('is found out to be llama.cpp', () => {
    expect(engine.describe()).toMatchObject({ engine: 'openai', server: 'llamacpp', upstreamModel: 'tiny-chat' })
  })

  it('gives the greedy answers of our own runtime, to all kinds of questions', async () => {
    const own = await createOnnxEngine(model, {
      concurrencyMax: 4,
      queueMax: 200,
      threads: 1,
      sessions: 1,
      executionProvider: 'cpu',
      upstream: null,
      now: Date.now,
      observe: anObserver().observe,
    })
    if (own.task !== 'chat') throw new Error('not a chat model')
    // Every kind of question; stories are the longest and no more exact than the others.
    const items = evalItems().filter(({ category }, index) => index % 31 === 0 && !category.startsWith('story'))
    expect(items.length).toBeGreaterThan(60)
    const answers = await Promise.all(
      items.map(async ({ messages }) => {
        const job = aJob('', { prompt: { kind: 'chat', messages } })
        const [theirs, ours] = await Promise.all([answerOf(engine, job), answerOf(own, job)])
        return {
          theirs: [theirs.text, theirs.finishReason, theirs.outputTokens],
          ours: [ours.text, ours.finishReason, ours.outputTokens],
        }
      }),
    )
    await own.close()
    expect(answers.filter(({ theirs, ours }) => JSON.stringify(theirs) !== JSON.stringify(ours))).toEqual([])
  }, 240_000)

  it('counts the input with its template', async () => {
    const run = await engine.start(aJob('What is the capital of France?'), new AbortController().signal)
    const { outputTokens, texts } = await run.ended
    expect(texts).toEqual(['The capital of France is Paris.'])
    expect([run.inputTokens, outputTokens]).toEqual([17, 8])
  })

  it('repeats a sample with its seed, and gives others with others', async () => {
    const sample = async (seed: number) => (await answerOf(engine, aJob(A_STORY, { temperature: 1.5, seed }))).text
    const [first, again, ...others] = await Promise.all([7, 7, 8, 9].map(sample))
    expect(again).toBe(first)
    expect(others.some((text) => text !== first)).toBe(true)
  })

  it('goes on from a delivered beginning to the same end', async () => {
    const whole = (await answerOf(engine, aJob(A_STORY))).text
    const prefix = whole.slice(0, 60)
    expect(prefix + (await answerOf(engine, aJob(A_STORY, { prefix }))).text).toBe(whole)
  })

  it('ends at max_tokens, at stop sequences, and gives several choices', async () => {
    const short = await answerOf(engine, aJob(A_STORY, { outputTokensMax: 5 }))
    expect([short.finishReason, short.outputTokens]).toEqual(['length', 5])
    const stopped = await answerOf(engine, aJob(A_STORY, { stop: ['village'] }))
    expect([stopped.finishReason, stopped.text.endsWith('small ')]).toEqual(['stop', true])
    expect(stopped.text).not.toContain('village')
    const run = await engine.start(aJob(A_STORY, { choices: 3, temperature: 1.5 }), new AbortController().signal)
    expect(new Set((await run.ended).texts).size).toBeGreaterThan(1)
  })

  it('gives a JSON object where one is asked for', async () => {
    const { text } = await answerOf(engine, aJob('Hello', { isJson: true, outputTokensMax: 200 }))
    expect(text.trimStart().startsWith('{')).toBe(true)
  })

  it('completes plain text', async () => {
    const answer = await answerOf(engine, aJob('', { prompt: { kind: 'text', text: 'Once upon' }, outputTokensMax: 3 }))
    expect(answer.text).toBe(' a time there')
  })

  it('refuses a prompt beyond its context', async () => {
    await expect(answerOf(engine, aJob('frog '.repeat(600)))).rejects.toMatchObject({ code: 'context_length_exceeded' })
  })

  describe('behind a node', () => {
    let node: TestNode
    let folder: Awaited<ReturnType<typeof aTemporaryFolder>>
    beforeAll(async () => {
      // An operator's folder of a model that another server computes: the manifest and nothing else.
      folder = await aTemporaryFolder()
      await cp(join(shippedFolder('tiny-chat'), 'manifest.json'), join(folder.path, 'manifest.json'))
      await writeFile(join(folder.path, 'README.md'), 'served by llama.cpp')
      node = await aNode({
        models: [
          {
            folder: folder.path,
            engine: 'openai',
            upstream: { url: llama.url, model: llama.model },
            prices: { inputPerMillion: '1', outputPerMillion: '2', perCall: '0' },
            queueMax: 16,
            threads: 'auto',
          },
        ],
      })
    })
    afterAll(async () => {
      await node?.dispose()
      await folder?.remove()
    })

    it('serves a chat with its receipt, counted as llama.cpp counts', async () => {
      const answer = await readAnswer(await send(node, CHAT_PATH, chatBody('What is the capital of France?')))
      expect([answer.text, answer.isDone]).toEqual(['The capital of France is Paris.', true])
      const last = answer.events.at(-1)
      expect(last?.usage).toMatchObject({ prompt_tokens: 17, completion_tokens: 8 })
      expect(Receipt.parse(decodeJwt(last?.receipt ?? ''))).toMatchObject({
        outcome: 'complete',
        inputTokens: 17,
        outputTokens: 8,
        modelDigest: node.chat.digest,
      })
    })

    it('frees the slot of llama.cpp when the caller hangs up', async () => {
      const before = (await llama.calls()).length
      const body = chatBody(A_STORY)
      const caller = new AbortController()
      const response = await send(node, CHAT_PATH, body, aTicket(node, CHAT_PATH, body), { signal: caller.signal })
      const reader = response.body?.getReader()
      await reader?.read()
      caller.abort()
      await reader?.read().catch(() => undefined)
      const leftAt = Date.now()
      await eventually(async () => (await llama.calls())[before]?.isOver ?? false, 2_000)
      expect(Date.now() - leftAt).toBeLessThan(1_000)
      const call = (await llama.calls())[before]
      expect([call?.wasCancelled, (call?.tokens ?? 99) < 73]).toEqual([true, true])
      await eventually(async () => (await metric(node, 'souk_node_calls_cancelled_total')) === 1)
    })

    it('serves more callers at once than llama.cpp has slots', async () => {
      const answers = await Promise.all(
        Array.from({ length: 12 }, async () => readAnswer(await send(node, CHAT_PATH, chatBody(A_STORY)))),
      )
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      expect(answers.every(({ isDone }) => isDone)).toBe(true)
    })
  })
})
