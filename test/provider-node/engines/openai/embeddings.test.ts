// Vectors from an OpenAI-compatible server: in order, of the right length, shortened and normalised as the manifest says.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EmbeddingEngine } from '../../../../provider-node/engines/engine.ts'
import { aTextsJob } from '../../jobs.ts'
import {
  anOpenAiServer,
  EMBEDDINGS,
  json,
  type Reply,
  type ScriptedServer,
  until,
} from '../upstream/scripted-server.ts'
import { anEmbeddingEngine, type EngineOverrides } from './engine-builders.ts'

let server: ScriptedServer
let engine: EmbeddingEngine
const never = new AbortController().signal
beforeEach(async () => {
  server = await anOpenAiServer()
})
afterEach(async () => {
  await engine.close()
  await server.close()
})

const before = async (overrides: EngineOverrides = {}) => {
  const made = await anEmbeddingEngine(server, overrides)
  engine = made.engine
  return made
}
const vectors = (...rows: readonly (readonly number[])[]) => rows.map((embedding, index) => ({ index, embedding }))
const reply = (data: unknown, usage: unknown = { prompt_tokens: 4 }): Reply => json({ object: 'list', data, usage })
const embed = (inputs: string[], overrides = {}) => engine.embed(aTextsJob(inputs, overrides), never)

describe('vectors', () => {
  it('come in the order of the texts, as float32, with the count of the server', async () => {
    server.on(EMBEDDINGS, reply(vectors([0.1, 0, 0], [0, 1, 0]).reverse()))
    await before()
    expect(await embed(['a', 'b'])).toEqual({
      vectors: [
        [Math.fround(0.1), 0, 0],
        [0, 1, 0],
      ],
      inputTokens: 4,
    })
    expect(server.askedFor(EMBEDDINGS)[0]?.json).toEqual({
      model: 'upstream-model',
      input: ['a', 'b'],
      encoding_format: 'float',
    })
  })

  it('are shortened here where the model allows it: cut, then of length 1', async () => {
    server.on(EMBEDDINGS, reply(vectors([3, 4, 12])))
    await before({ manifest: { dimensionsMin: 2 } })
    expect((await embed(['a'], { dimensions: 2 })).vectors).toEqual([[Math.fround(0.6), Math.fround(0.8)]])
    expect((await embed(['a'], { dimensions: 3 })).vectors).toEqual([[3, 4, 12]])
    for (const dimensions of [1, 4])
      await expect(embed(['a'], { dimensions })).rejects.toMatchObject({ code: 'unsupported_parameter' })
  })

  it('are brought to length 1 where the manifest says so, and nothing is divided by nothing', async () => {
    server.on(EMBEDDINGS, reply(vectors([0, 3, 4], [0, 0, 0])))
    await before({ manifest: { isNormalised: true } })
    expect((await embed(['a', 'b'])).vectors).toEqual([
      [0, Math.fround(0.6), Math.fround(0.8)],
      [0, 0, 0],
    ])
  })

  const counts: readonly [string, unknown, number][] = [
    ['estimated without a usage', null, 2],
    ['estimated when it is no number', { prompt_tokens: 'many' }, 2],
    ['bounded by the context', { prompt_tokens: 1_000_000 }, 4_096],
  ]
  it.each(counts)('are counted, %s', async (_, usage, expected) => {
    server.on(EMBEDDINGS, reply(vectors([1, 0, 0]), usage))
    await before()
    expect((await embed(['12345678'])).inputTokens).toBe(expected)
  })

  const wrong: readonly [string, Reply][] = [
    ['one is missing', reply(vectors([1, 0, 0]))],
    ['one stands twice', reply([...vectors([1, 0, 0], [1, 0, 0]), { index: 0, embedding: [1, 0, 0] }])],
    ['one is shorter', reply(vectors([1, 0, 0], [1, 0]))],
    ['one holds no number', reply([...vectors([1, 0, 0]), { index: 1, embedding: [1, 'x', 0] }])],
    [
      'one holds infinity',
      (response) => void response.end('{"data":[{"index":0,"embedding":[1e999,0,0]},{"index":1,"embedding":[1,0,0]}]}'),
    ],
    ['it is no JSON', (response) => void response.end('<html>')],
    ['it is without end', (response) => void response.end(`{"data":"${'x'.repeat(200_000)}"}`)],
    [
      'the connection breaks',
      (response) => void response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
    ],
    ['nothing comes', () => {}],
  ]
  it.each(wrong)('are refused when %s', async (what, answer) => {
    server.on(EMBEDDINGS, answer)
    await before({ limits: what === 'nothing comes' ? { answerMs: 200 } : {} })
    await expect(embed(['a', 'b'])).rejects.toMatchObject({ code: 'internal' })
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('are refused with the code of what is wrong', async () => {
    await before()
    server.on(EMBEDDINGS, json({ error: 'the input length exceeds the context length' }, 400))
    await expect(embed(['a'])).rejects.toMatchObject({ code: 'context_length_exceeded' })
    server.on(EMBEDDINGS, json({}, 429, { 'retry-after': '9' }))
    await expect(embed(['a'])).rejects.toMatchObject({ code: 'busy', options: { retryAfterSeconds: 9 } })
  })

  it('whose caller leaves end the request there', async () => {
    server.on(EMBEDDINGS, () => {})
    await before()
    const caller = new AbortController()
    const answer = engine.embed(aTextsJob(['a']), caller.signal).catch((cause: unknown) => cause)
    await until(() => server.askedFor(EMBEDDINGS).length).toBe(1)
    caller.abort()
    expect(await answer).toMatchObject({ code: 'internal' })
    await until(() => server.askedFor(EMBEDDINGS)[0]?.hungUpAt ?? null).not.toBeNull()
  })
})
