// Language identification on the real model, token classification on a graph made here, and everything that is refused.
import onnxProto from 'onnx-proto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelManifest } from '../../../../../protocol/model.ts'
import { stringsOf, stringsToBytes, type InferAnswer, type InferRequest } from '../../../../../protocol/oip.ts'
import { loadClassifier } from '../../../../../provider-node/engines/onnx/runners/classification.ts'
import { ngramFeatures, Ngrams } from '../../../../../provider-node/engines/onnx/runners/ngrams.ts'
import { createOpenSession } from '../../../../../provider-node/engines/onnx/session.ts'
import type { RunnerRefusal, TaskRunner } from '../../../../../provider-node/engines/onnx/task-runner.ts'
import { loadModel } from '../../../../../provider-node/model-store/check.ts'
import { aTemporaryFolder, shippedFolder } from '../../../builders.ts'

type Runner = TaskRunner<InferRequest, InferAnswer>
const open = createOpenSession({ threads: 1, provider: 'cpu', warn: () => undefined })
const asking = (texts: readonly string[], over: Partial<InferRequest> = {}): InferRequest => ({
  modelName: 'm',
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [texts.length], data: stringsToBytes(texts) }],
  outputs: [],
  parameters: {},
  ...over,
})
function read(answer: InferAnswer | RunnerRefusal | undefined) {
  if (!answer || 'refused' in answer) throw new Error(`it was refused: ${answer?.message}`)
  const [label, score] = answer.outputs
  return {
    labels: stringsOf(label?.data ?? new Uint8Array()).map((bytes) => new TextDecoder().decode(bytes)),
    scores: [...new Float32Array(Uint8Array.from(score?.data ?? []).buffer)],
    shape: label?.shape,
  }
}
const labelsOf = async (runner: Runner, texts: readonly string[]) => read((await runner.run([asking(texts)]))[0]).labels

const SENTENCES = {
  eng: 'This is an English sentence about the weather of today.',
  deu: 'Dies ist ein deutscher Satz über das Wetter von heute.',
  fra: "Ceci est une phrase française sur le temps d'aujourd'hui.",
  spa: 'Esta es una frase en español sobre el tiempo de hoy.',
  jpn: '今日はとても良い天気ですね。',
}

describe('language-id', () => {
  let runner: Runner
  beforeAll(async () => {
    const { folder, manifest } = await loadModel(shippedFolder('language-id'))
    runner = await loadClassifier(folder, manifest, open)
  })
  afterAll(() => runner.close())

  it('tells languages, one label and one score a text', async () => {
    const { labels, scores, shape } = read((await runner.run([asking(Object.values(SENTENCES))]))[0])
    expect(labels).toEqual(Object.keys(SENTENCES))
    expect(shape).toEqual([5])
    expect(Math.min(...scores)).toBeGreaterThan(0.5)
  })
  it('gives the likeliest of each for top_k, text after text, highest first', async () => {
    const top = read((await runner.run([asking([SENTENCES.eng, SENTENCES.deu], { parameters: { top_k: 3 } })]))[0])
    expect(top.shape).toEqual([6])
    expect([top.labels[0], top.labels[3]]).toEqual(['eng', 'deu'])
    expect(top.scores.slice(0, 3)).toEqual([...top.scores.slice(0, 3)].sort((a, b) => b - a))
  })
  it('answers calls of one batch as it answers each alone', async () => {
    const jobs = Object.values(SENTENCES).map((text, index) => asking(index === 2 ? [text, SENTENCES.eng] : [text]))
    const together = (await runner.run(jobs)).map(read)
    for (const [index, job] of jobs.entries()) {
      const alone = read((await runner.run([job]))[0])
      expect(together[index]?.labels).toEqual(alone.labels)
      alone.scores.forEach((score, at) => expect(together[index]?.scores[at]).toBeCloseTo(score, 6))
    }
  })
  it('gives one output when one is asked for', async () => {
    const [answer] = await runner.run([asking([SENTENCES.eng], { outputs: ['score'] })])
    expect(answer && 'outputs' in answer && answer.outputs.map(({ name }) => name)).toEqual(['score'])
  })
  it('refuses one call of a batch and answers the others', async () => {
    const [good, bad, other] = await runner.run([asking([SENTENCES.eng]), asking([]), asking([SENTENCES.deu])])
    expect([read(good).labels, read(other).labels]).toEqual([['eng'], ['deu']])
    expect(bad).toMatchObject({ refused: 'bad_request' })
  })

  const text = (bytes: number) => 'a'.repeat(bytes)
  it.each([
    ['texts', 256, (n: number) => asking(Array.from({ length: n }, () => 'a')), 'bad_request'],
    ['bytes of a text', 65_536, (n: number) => asking([text(n)]), 'context_length_exceeded'],
    ['top_k', 50, (n: number) => asking(['a'], { parameters: { top_k: n } }), 'bad_request'],
  ])('takes %s up to the limit and refuses one over', async (_, limit, job, code) => {
    const [at, over] = await runner.run([job(limit), job(limit + 1)])
    expect(read(at).labels.length).toBeGreaterThan(0)
    expect(over).toMatchObject({ refused: code })
  })
  it.each([
    ['no text', asking([])],
    [
      'another tensor',
      asking([], { inputs: [{ name: 'words', datatype: 'BYTES', shape: [0], data: new Uint8Array() }] }),
    ],
    ['numbers', asking([], { inputs: [{ name: 'text', datatype: 'UINT8', shape: [1], data: Uint8Array.of(1) }] })],
    ['half a top_k', asking(['a'], { parameters: { top_k: 1.5 } })],
    ['top_k in words', asking(['a'], { parameters: { top_k: 'all' } })],
    ['an output it does not have', asking(['a'], { outputs: ['language'] })],
  ])('refuses %s', async (_, job) => {
    expect((await runner.run([job]))[0]).toMatchObject({ refused: 'bad_request' })
  })
})

describe('features of a text', () => {
  const ngrams = { unigrams: ['a', 'z'], bigrams: ['aa', ' a'], trigrams: ['aab'], quadgrams: [' aab'] }
  it('are relative frequencies in the order of the lists', () => {
    const close = (value: number) => expect.closeTo(value, 6) as number // a matcher stands where a number is
    expect([...ngramFeatures('aab', ngrams)]).toEqual([
      close(2 / 5),
      0,
      close(1 / 4),
      close(1 / 4),
      close(1 / 3),
      close(1 / 2),
    ])
  })
  it.each(['Aa!  b1', ' aa\nb', 'Aa b'])('do not see case, digits, marks of punctuation or many spaces: %s', (text) => {
    expect(ngramFeatures(text, ngrams)[0]).toBeCloseTo(2 / 6, 6)
  })
  it('are those of the model’s own lists: 620 of them', async () => {
    const lists: unknown = JSON.parse(await readFile(join(shippedFolder('language-id'), 'ngrams.json'), 'utf8'))
    expect(ngramFeatures('', Ngrams.parse(lists))).toHaveLength(620)
  })
})

describe('a classifier of tokens', () => {
  let runner: Runner
  let home: Awaited<ReturnType<typeof aTemporaryFolder>>
  beforeAll(async () => {
    home = await aTemporaryFolder()
    const write = (name: string, value: unknown) => writeFile(join(home.path, name), JSON.stringify(value))
    await writeFile(join(home.path, 'model.onnx'), countingGraph())
    await write('labels.json', ['few', 'many'])
    await write('tokenizer.json', WORDS)
    await write('tokenizer_config.json', { tokenizer_class: 'BertTokenizer', pad_token: '[PAD]' })
    const manifest = { id: 'm', files: {}, contextTokens: 8 } as unknown as ModelManifest // what this runner reads of it
    runner = await loadClassifier(home.path, manifest, open)
  })
  afterAll(async () => {
    await runner.close()
    await home.remove()
  })

  it('sums the mask, so padding does not count and the ends do', async () => {
    const { labels, scores } = read((await runner.run([asking(['yes', 'yes yes no yes'])]))[0])
    expect(labels).toEqual(['few', 'many'])
    // Logits 4 against the number of tokens: 3 with both ends, and 6.
    expect(scores[0]).toBeCloseTo(Math.exp(4) / (Math.exp(4) + Math.exp(3)), 5)
    expect(scores[1]).toBeCloseTo(Math.exp(6) / (Math.exp(4) + Math.exp(6)), 5)
  })
  it('reads the name of a special token as ordinary text', async () => {
    const [plain, forged] = [await labelsOf(runner, ['yes']), await labelsOf(runner, ['[SEP]'])]
    expect(plain).toEqual(['few'])
    // Three ordinary tokens, and not one special one.
    expect(forged).toEqual(['many'])
  })
  it('takes a text up to the context and refuses one over, with the ends counted', async () => {
    const [at, over] = await runner.run([asking(['yes '.repeat(6)]), asking(['yes '.repeat(7)])])
    expect(read(at).labels).toEqual(['many'])
    expect(over).toMatchObject({ refused: 'context_length_exceeded' })
  })
})

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]']
const WORDS = {
  version: '1.0',
  added_tokens: SPECIALS.map((content, id) => ({
    ...{ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  })),
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
      '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
    },
  },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, yes: 4, no: 5, a: 6 },
  },
}

/** input_ids, attention_mask -> logits [b, 2]: the constant 4, and the sum of the mask. */
function countingGraph(): Uint8Array {
  const { onnx } = onnxProto
  const info = (name: string, elemType: number, dims: (string | number)[]) => ({
    name,
    type: {
      tensorType: {
        elemType,
        shape: { dim: dims.map((dim) => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim })) },
      },
    },
  })
  const { FLOAT, INT64 } = onnx.TensorProto.DataType
  const graph = {
    name: 'count',
    node: [
      { opType: 'Cast', input: ['attention_mask'], output: ['mask'], attribute: [{ name: 'to', i: FLOAT, type: 2 }] },
      {
        opType: 'ReduceSum',
        input: ['mask', 'axis'],
        output: ['count'],
        attribute: [{ name: 'keepdims', i: 1, type: 2 }],
      },
      { opType: 'Sub', input: ['count', 'count'], output: ['zero'] },
      { opType: 'Add', input: ['zero', 'four'], output: ['fours'] },
      { opType: 'Cast', input: ['input_ids'], output: ['ids'], attribute: [{ name: 'to', i: FLOAT, type: 2 }] },
      { opType: 'Concat', input: ['fours', 'count'], output: ['logits'], attribute: [{ name: 'axis', i: 1, type: 2 }] },
    ],
    initializer: [
      { name: 'axis', dims: [1], dataType: INT64, int64Data: [1] },
      { name: 'four', dims: [1], dataType: FLOAT, floatData: [4] },
    ],
    input: [info('input_ids', INT64, ['b', 't']), info('attention_mask', INT64, ['b', 't'])],
    output: [info('logits', FLOAT, ['b', 2])],
  }
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish()
}
