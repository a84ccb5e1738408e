// Embeddings on the real runtime: graphs with and without a mask, pooled every way, alone and in company. The graphs look a token up in a table, so
// that each vector can be computed by hand: token i is (i, i², 1).
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { ModelManifest } from '../../../../../protocol/model.ts'
import { loadEmbedder } from '../../../../../provider-node/engines/onnx/runners/embedder.ts'
import { createOpenSession } from '../../../../../provider-node/engines/onnx/session.ts'
import type { TaskRunner, TextsAnswer, TextsJob } from '../../../../../provider-node/engines/onnx/task-runner.ts'
import { aGraph, aModelFolder, floatWeights, value, type Graph } from '../../../graphs.ts'

type Runner = TaskRunner<TextsJob, TextsAnswer>
const closing: (() => Promise<void>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))

const VOCABULARY = { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, one: 4, two: 5, three: 6 }
const special = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
})
const tokenizer = (post: unknown = null) =>
  JSON.stringify({
    version: '1.0',
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]'].map((content, id) => special(id, content)),
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: post,
    decoder: null,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: VOCABULARY,
    },
  })
const AROUND = { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] }

const TABLE = floatWeights('table', [8, 3], (at) => [Math.floor(at / 3), Math.floor(at / 3) ** 2, 1][at % 3] ?? 0)
const states = (
  inputs: string[],
  nodes: Graph['nodes'],
  output = 'last_hidden_state',
  shape: (number | string)[] = ['batch', 'sequence', 3],
) =>
  aGraph({
    nodes,
    inputs: inputs.map((name) => value(name, 'INT64', ['batch', 'sequence'])),
    outputs: [value(output, 'FP32', shape)],
    weights: [TABLE],
  })
const LOOKED_UP = { opType: 'Gather', input: ['table', 'input_ids'], output: ['last_hidden_state'] }
const withMask = () =>
  // The mask and the types go in and change nothing but the name: the pooling is the node's.
  states(
    ['input_ids', 'attention_mask', 'token_type_ids'],
    [
      { opType: 'Mul', input: ['token_type_ids', 'attention_mask'], output: ['nothing'] },
      { opType: 'Add', input: ['input_ids', 'nothing'], output: ['ids'] },
      { opType: 'Gather', input: ['table', 'ids'], output: ['last_hidden_state'] },
    ],
  )

async function anEmbedder(graph: Uint8Array, manifest: Partial<ModelManifest>, post: unknown = null) {
  const files = { 'tokenizer.json': tokenizer(post), 'tokenizer_config.json': JSON.stringify({ pad_token: '[PAD]' }) }
  const { model, remove } = await aModelFolder(
    graph,
    { task: 'embeddings', contextTokens: 6, dimensions: 3, ...manifest },
    files,
  )
  closing.push(remove)
  const opened = await createOpenSession({ threads: 1, provider: 'cpu', warn: () => undefined })(
    `${model.folder}/model.onnx`,
  )
  const runs = vi.spyOn(opened.session, 'run')
  const runner: Runner = await loadEmbedder(model.folder, model.manifest, () => Promise.resolve(opened))
  closing.push(() => runner.close())
  return { runner, runs }
}

const job = (inputs: string[], dimensions: number | null = null): TextsJob => ({ inputs, dimensions })
async function vectorsOf(runner: Runner, ...jobs: TextsJob[]) {
  const answers = await runner.run(jobs)
  return answers.map((answer) => ('refused' in answer ? answer : answer.vectors.map((vector) => [...vector])))
}
const token = (id: number) => [id, id * id, 1]
const close = (actual: unknown, expected: readonly (readonly number[])[]) => {
  if (!Array.isArray(actual)) throw new Error(JSON.stringify(actual))
  expect(actual).toHaveLength(expected.length)
  expected.forEach((vector, at) => vector.forEach((one, index) => expect(actual[at][index]).toBeCloseTo(one, 5)))
}

describe('embeddings', () => {
  it.each([
    ['mean', [[(4 + 5) / 2, (16 + 25) / 2, 1], token(6)]],
    ['cls', [token(4), token(6)]],
    ['last', [token(5), token(6)]],
  ] as const)('are pooled by %s without the padding', async (pooling, expected) => {
    for (const graph of [withMask(), states(['input_ids'], [LOOKED_UP])]) {
      const { runner } = await anEmbedder(graph, { pooling })
      close((await vectorsOf(runner, job(['one two', 'three'])))[0], expected)
    }
  })

  it('have the beginning and the end of their tokenizer around them, which no text can spell', async () => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'last' }, AROUND)
    close((await vectorsOf(runner, job(['one', '[CLS]'])))[0], [token(3), token(3)])
    const [answer] = await runner.run([job(['one two'])])
    expect(answer).toMatchObject({ inputTokens: 4 })
    const { runner: first } = await anEmbedder(withMask(), { pooling: 'mean' })
    // "[CLS]" as a caller writes it is three unknown words.
    close((await vectorsOf(first, job(['[CLS]'])))[0], [token(1)])
  })

  it('are brought to length 1 where the manifest says so', async () => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'cls', isNormalised: true })
    const length = Math.hypot(...token(4))
    close((await vectorsOf(runner, job(['one'])))[0], [token(4).map((one) => one / length)])
  })

  it('come as the graph gives them where it gives one per text', async () => {
    const graph = states(
      ['input_ids'],
      [
        { opType: 'Gather', input: ['table', 'input_ids'], output: ['tokens'] },
        {
          opType: 'ReduceMax',
          input: ['tokens'],
          output: ['sentence_embedding'],
          attribute: [
            { name: 'axes', type: 7, ints: [1] },
            { name: 'keepdims', type: 2, i: 0 },
          ],
        },
      ],
      'sentence_embedding',
      ['batch', 3],
    )
    const { runner } = await anEmbedder(graph, {})
    close((await vectorsOf(runner, job(['two one', 'three'])))[0], [token(5), token(6)])
  })

  it('of an empty text are computed too', async () => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'mean' })
    close((await vectorsOf(runner, job([' '])))[0], [token(0)])
  })
})

describe('dimensions', () => {
  it.each([
    [null, 3],
    [3, 3],
    [2, 2],
  ])('%s are given as %s', async (dimensions, given) => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'cls', dimensionsMin: 2 })
    const [vectors] = await vectorsOf(runner, job(['one'], dimensions))
    expect(Array.isArray(vectors) && vectors[0]?.length).toBe(given)
  })

  it.each([
    [1, 2, 'The "dimensions" of this model are 2 to 3.'],
    [4, 2, 'The "dimensions" of this model are 2 to 3.'],
    [2, undefined, 'The "dimensions" of this model are 3.'],
  ])('%s are refused where the fewest are %s', async (dimensions, dimensionsMin, message) => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'cls', ...(dimensionsMin && { dimensionsMin }) })
    expect((await vectorsOf(runner, job(['one'], dimensions)))[0]).toEqual({ refused: 'bad_request', message })
  })
})

describe('a run', () => {
  it('holds texts of many calls, whatever their length, and each call gets its own', async () => {
    const { runner, runs } = await anEmbedder(withMask(), { pooling: 'mean' })
    const answers = await vectorsOf(runner, job(['one', 'one two three']), job(['two']), job(['three', 'three']))
    close(answers[0], [token(4), [5, (16 + 25 + 36) / 3, 1]])
    close(answers[1], [token(5)])
    close(answers[2], [token(6), token(6)])
    expect(runs).toHaveBeenCalledTimes(1)
  })

  it('holds only texts of one length where the graph takes no mask', async () => {
    const { runner, runs } = await anEmbedder(states(['input_ids'], [LOOKED_UP]), { pooling: 'mean' })
    await vectorsOf(runner, job(['one', 'two three']), job(['three']))
    expect(runs).toHaveBeenCalledTimes(2)
  })

  it.each([
    [32, 1],
    [33, 2],
  ])('holds at most 32 texts: %s are %s runs', async (texts, expected) => {
    const { runner, runs } = await anEmbedder(withMask(), { pooling: 'mean' })
    await vectorsOf(runner, job(Array.from({ length: texts }, () => 'one')))
    expect(runs).toHaveBeenCalledTimes(expected)
  })

  it.each([
    [4_096, 1],
    [4_097, 2],
  ])('holds at most 8192 tokens with their padding: two texts of %s are %s runs', async (words, expected) => {
    const { runner, runs } = await anEmbedder(withMask(), { pooling: 'mean', contextTokens: 10_000 })
    await vectorsOf(runner, job(['one '.repeat(words), 'two '.repeat(words)]))
    expect(runs).toHaveBeenCalledTimes(expected)
  })

  it('is not made for callers who left before it', async () => {
    const { runner, runs } = await anEmbedder(withMask(), { pooling: 'mean' })
    const texts = Array.from({ length: 100 }, () => 'one')
    await runner.run([job(texts), job(['two'])], (index) => index === 0)
    expect(runs).toHaveBeenCalledTimes(1)
  })

  it('refuses the call with a text beyond the context, and computes the others', async () => {
    const { runner } = await anEmbedder(withMask(), { pooling: 'mean' })
    const [full, over, other] = await vectorsOf(
      runner,
      job(['one '.repeat(6)]),
      job(['one', 'one '.repeat(7)]),
      job(['two']),
    )
    close(full, [token(4)])
    expect(over).toMatchObject({ refused: 'context_length_exceeded' })
    close(other, [token(5)])
  })
})

describe('a graph', () => {
  it.each([
    [
      'with an input that no text fills',
      states(['input_ids', 'pixels'], [LOOKED_UP]),
      { pooling: 'mean' },
      'its input pixels',
    ],
    ['with a vector per token and no pooling', states(['input_ids'], [LOOKED_UP]), {}, 'pooling none needs 2'],
    [
      'with other dimensions',
      states(['input_ids'], [LOOKED_UP]),
      { pooling: 'mean', dimensions: 4 },
      'its vectors have 3 dimensions',
    ],
  ] as const)('%s is not loaded', async (_, graph, manifest, message) => {
    await expect(anEmbedder(graph, manifest)).rejects.toThrow(message)
  })
})
