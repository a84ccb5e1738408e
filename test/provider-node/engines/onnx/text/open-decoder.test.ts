// Graphs as other exporters write them, on the real runtime: each is served with the right answers, or refused at load in a sentence.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { withNewKeys } from '../../../../../provider-node/engines/onnx/text/graph-outputs.ts'
import { createTextEngine } from '../../../../../provider-node/engines/onnx/text/text-engine.ts'
import { shippedFolder } from '../../../builders.ts'
import { aJob, answerOf, ENGINE_OPTIONS } from '../../../jobs.ts'
import { changedChat, halfPrecisionCaches, ignoringMasks, indirectCaches, type Graph } from './changed-chat.ts'

const QUESTIONS = ['What is the capital of France?', 'Can you multiply 11 and 10?', 'Do you know the plural of shoe?']

async function serve(change: (graph: Graph) => void, from?: string) {
  const { model, remove } = await changedChat(change, from)
  const warnings: string[] = []
  const observe = { ...ENGINE_OPTIONS.observe, warn: (event: string) => void warnings.push(event) }
  try {
    const engine = await createTextEngine(model, { ...ENGINE_OPTIONS, observe })
    const answers = await Promise.all(QUESTIONS.map((question) => answerOf(engine, aJob(question))))
    const { batch } = engine.describe()
    await engine.close()
    return { texts: answers.map(({ text }) => text).join(' '), batch, warnings }
  } finally {
    await remove()
  }
}

const RIGHT = /Paris.*110.*shoes/

describe('a graph', () => {
  it.each([
    ['as it is shipped', () => undefined, 'model.onnx'],
    ['in 8 bits', () => undefined, 'model_quantized.onnx'],
    ['whose caches are put together elsewhere', indirectCaches, 'model.onnx'],
  ])('%s is served in batches', async (_, change, from) => {
    expect(await serve(change, from)).toEqual({ texts: expect.stringMatching(RIGHT), batch: 4, warnings: [] })
  })

  it('that ignores masks is computed one sequence at a time, and the operator is told', async () => {
    const served = await serve(ignoringMasks)
    expect(served).toEqual({ texts: expect.stringMatching(RIGHT), batch: 1, warnings: ['not_batchable'] })
  })

  it('without a mask is computed one sequence at a time', async () => {
    const withoutMask = (graph: Graph) => {
      ignoringMasks(graph)
      const inputs = graph.input ?? []
      // The shape of the scores is that of what is fed and what was before.
      const nodes = graph.node ?? []
      nodes.splice(0, 1)
      nodes.unshift(
        { opType: 'Shape', input: ['past_key_values.0.key'], output: ['past_shape'] },
        { opType: 'Shape', input: ['input_ids'], output: ['ids_shape'] },
        { opType: 'Slice', input: ['past_shape', 'two', 'three'], output: ['past_columns'] },
        { opType: 'Slice', input: ['ids_shape', 'one', 'two'], output: ['new_columns'] },
        { opType: 'Slice', input: ['ids_shape', 'zero', 'one'], output: ['rows'] },
        { opType: 'Add', input: ['past_columns', 'new_columns'], output: ['columns'] },
        {
          opType: 'Concat',
          input: ['rows', 'columns'],
          output: ['mask_shape'],
          attribute: [{ name: 'axis', type: 2, i: 0 }],
        },
      )
      for (const [name, number] of Object.entries({ zero: 0, one: 1, two: 2, three: 3 }))
        graph.initializer?.push({ name, dataType: 7, dims: [1], int64Data: [number] })
      graph.input = inputs.filter(({ name }) => name !== 'attention_mask')
    }
    expect(await serve(withoutMask)).toMatchObject({ texts: expect.stringMatching(RIGHT), batch: 1 })
  })

  it.each([
    [
      'keeps its caches in half precision',
      halfPrecisionCaches,
      'is float16: this engine keeps caches and logits as float32',
    ],
    [
      'asks for what the engine cannot give',
      (graph: Graph) => {
        graph.input?.push({
          name: 'use_cache_branch',
          type: { tensorType: { elemType: 9, shape: { dim: [{ dimValue: 1 }] } } },
        })
        graph.node?.push({ opType: 'Not', input: ['use_cache_branch'], output: ['unused'] })
        graph.output?.push({ name: 'unused' })
      },
      'the graph asks for use_cache_branch, which this engine cannot give',
    ],
    [
      'has no cache',
      (graph: Graph) => {
        const pasts = (graph.input ?? []).filter(({ name }) => name?.startsWith('past_key_values.'))
        graph.input = (graph.input ?? []).filter(({ name }) => !name?.startsWith('past_key_values.'))
        for (const { name } of pasts)
          graph.initializer?.push({ name, dataType: 1, dims: [1, 6, 0, 32], rawData: new Uint8Array() })
      },
      'the graph has no inputs past_key_values.*: export it with its key-value cache',
    ],
  ])('that %s is refused in a sentence', async (_, change, sentence) => {
    const refused = await serve(change).catch((cause: unknown) => cause)
    expect(refused).toMatchObject({ name: 'OperatorError' })
    expect(String(refused)).toMatch(/model souk\/tiny-chat could not be loaded: /)
    expect(String(refused)).toContain(sentence)
  })
})

describe('outputs that are added to a graph', () => {
  const bytes = readFileSync(`${shippedFolder('tiny-chat')}/model.onnx`)
  const cache = [0, 1, 2, 3, 4].flatMap((layer) =>
    ['key', 'value'].map((part) => ({
      ...{ past: `past_key_values.${layer}.${part}`, present: `present.${layer}.${part}` },
      ...{ heads: 6, width: 32 },
    })),
  )

  it('are one for each cache, and nothing else of the file changes', () => {
    const extended = withNewKeys(bytes, { cache })
    expect([...(extended?.added.keys() ?? [])]).toEqual(cache.map(({ present }) => present))
    expect(new Set(extended?.added.values()).size).toBe(cache.length)
    // Ten fields of a few bytes, and the length of what they are in.
    expect((extended?.bytes.length ?? 0) - bytes.length).toBeLessThan(10 * 16)
  })

  it('are none where a cache is not put together from its past', () => {
    const [first, ...others] = cache
    if (!first) throw new Error('no cache')
    expect(withNewKeys(bytes, { cache: [{ ...first, past: 'past_key_values.9.key' }, ...others] })).toBeNull()
  })

  it('are none in what is no graph', () => {
    expect(withNewKeys(new Uint8Array(), { cache })).toBeNull()
    expect(withNewKeys(bytes.subarray(0, 1_000), { cache })).toBeNull()
  })
})
