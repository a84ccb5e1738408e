// The real embedding model on the real runtime, in its worker thread.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EmbeddingEngine } from '../../../../provider-node/engines/engine.ts'
import { createOnnxEngine } from '../../../../provider-node/engines/onnx/onnx-engine.ts'
import { loadModel } from '../../../../provider-node/model-store/check.ts'
import { eventually, shippedFolder } from '../../builders.ts'
import { aTextsJob, ENGINE_OPTIONS } from '../../jobs.ts'

const OPTIONS = { ...ENGINE_OPTIONS, concurrencyMax: 2, queueMax: 2 }
const never = new AbortController().signal

let embeddings: EmbeddingEngine
beforeAll(async () => {
  const vectors = await createOnnxEngine(await loadModel(shippedFolder('word-vectors')), OPTIONS)
  if (vectors.task !== 'embeddings') throw new Error('not an embedding model')
  embeddings = vectors
})
afterAll(() => embeddings.close())

describe('word-vectors', () => {
  const dot = (a: readonly number[] = [], b: readonly number[] = []) =>
    a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)

  it('gives 100 dimensions of length 1, and counts the words', async () => {
    const { vectors, inputTokens } = await embeddings.embed(aTextsJob(['The cat sat on the mat.', 'Dogs!']), never)
    expect(vectors.map((vector) => vector.length)).toEqual([100, 100])
    for (const vector of vectors) expect(dot(vector, vector)).toBeCloseTo(1, 5)
    expect(inputTokens).toBe(9)
  })

  it('puts similar texts closer', async () => {
    const { vectors } = await embeddings.embed(
      aTextsJob([
        'The doctor works in a hospital.',
        'A nurse helps sick patients.',
        'The football team won the match.',
      ]),
      never,
    )
    expect(dot(vectors[0], vectors[1])).toBeGreaterThan(dot(vectors[0], vectors[2]))
  })

  it('gives the same vector alone and in a large batch', async () => {
    const texts = Array.from({ length: 100 }, (_, index) => `number ${index} ${'word '.repeat(index)}`)
    const { vectors } = await embeddings.embed(aTextsJob(texts), never)
    const alone = await embeddings.embed(aTextsJob([texts[70] ?? '']), never)
    alone.vectors[0]?.forEach((value, index) => expect(value).toBeCloseTo(vectors[70]?.[index] ?? NaN, 5))
  })

  it('refuses a text beyond the context', async () => {
    const embed = (words: number) => embeddings.embed(aTextsJob(['word '.repeat(words)]), never)
    await expect(embed(8_192)).resolves.toMatchObject({ inputTokens: 8_192 })
    await expect(embed(8_193)).rejects.toMatchObject({ code: 'context_length_exceeded' })
  })

  it('stops for a caller who leaves', async () => {
    const caller = new AbortController()
    const work = embeddings.embed(aTextsJob(Array.from({ length: 256 }, () => 'word '.repeat(4_000))), caller.signal)
    caller.abort()
    await expect(work).rejects.toMatchObject({ name: 'EngineRefusal' })
    await eventually(() => embeddings.load().inFlight === 0)
  })
})
