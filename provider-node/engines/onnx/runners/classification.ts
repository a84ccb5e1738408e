// The task classification: texts in, the likeliest label of each with its probability out; with the parameter `top_k` so many of each, text after text. Two kinds
// of models: frequencies of character n-grams (files model.onnx, labels.json, ngrams.json), or token ids of the folder's tokenizer (model.onnx,
// labels.json, tokenizer.json, tokenizer_config.json; input_ids and, where the graph has them, attention_mask and token_type_ids; logits out).
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tensor as Run, type InferenceSession } from 'onnxruntime-node'
import { z } from 'zod'
import type { ServedManifest } from '../../../../protocol/model.ts'
import { stringsOf, stringsToBytes, type InferAnswer, type InferRequest } from '../../../../protocol/oip.ts'
import type { LoadTensorRunner, RunnerRefusal } from '../task-runner.ts'
import { ngramFeatures, Ngrams } from './ngrams.ts'
import { loadTextTokens, tokenInputs, type TextTokens } from './token-inputs.ts'

/** UTF-8 bytes of one text: a few pages tell its language, and a book would hold up the others */
const TEXT_BYTES = 65_536
const TEXTS_MAX = 256

const Labels = z.array(z.string().min(1).max(256)).min(2).max(100_000)

/** What turns texts into probabilities. */
interface TextModel {
  /** null when these texts can be computed */
  refusal(texts: readonly string[]): RunnerRefusal | null
  /** one row of probabilities each, in the order of the labels */
  rows(texts: readonly string[]): Promise<readonly Float32Array[]>
}

export const loadClassifier: LoadTensorRunner = async (folder, manifest, open) => {
  const labels = Labels.parse(JSON.parse(await readFile(join(folder, 'labels.json'), 'utf8')))
  const { session } = await open(join(folder, 'model.onnx'))
  const model =
    'ngrams.json' in manifest.files
      ? byNgrams(session, Ngrams.parse(JSON.parse(await readFile(join(folder, 'ngrams.json'), 'utf8'))))
      : byTokens(session, loadTextTokens(folder, manifest.tokenizer ?? 'tokenizer.json'), manifest)
  return {
    batchKey: () => '',
    async run(jobs) {
      const asked = jobs.map((job) => {
        const read = textsOf(job, labels.length)
        return 'refused' in read ? read : (model.refusal(read.texts) ?? read)
      })
      const texts = asked.flatMap((job) => ('refused' in job ? [] : job.texts))
      const rows = texts.length === 0 ? [] : await model.rows(texts)
      let next = 0
      return asked.map((job, index) => {
        if ('refused' in job) return job
        const own = rows.slice(next, (next += job.texts.length))
        return answer(manifest.id, labels, own, job.topK, jobs[index]?.outputs ?? [])
      })
    },
    close: () => session.release(),
  }
}

function textsOf(
  { inputs, parameters }: InferRequest,
  labels: number,
): { readonly texts: readonly string[]; readonly topK: number | null } | RunnerRefusal {
  const [text] = inputs
  if (inputs.length !== 1 || text?.name !== 'text' || text.datatype !== 'BYTES')
    return { refused: 'bad_request', message: 'The input is one tensor "text" of BYTES.' }
  const elements = stringsOf(text.data)
  if (elements.length < 1 || elements.length > TEXTS_MAX)
    return { refused: 'bad_request', message: `The tensor "text" holds 1 to ${TEXTS_MAX} texts.` }
  if (elements.some((bytes) => bytes.byteLength > TEXT_BYTES))
    return { refused: 'context_length_exceeded', message: `A text has at most ${TEXT_BYTES} bytes.` }
  const topK = parameters.top_k
  if (topK !== undefined && !(typeof topK === 'number' && Number.isInteger(topK) && topK >= 1 && topK <= labels))
    return { refused: 'bad_request', message: `The parameter "top_k" is a whole number from 1 to ${labels}.` }
  const decoder = new TextDecoder()
  return { texts: elements.map((bytes) => decoder.decode(bytes)), topK: typeof topK === 'number' ? topK : null }
}

function byNgrams(session: InferenceSession, ngrams: Ngrams): TextModel {
  const input = session.inputNames[0] ?? ''
  return {
    refusal: () => null,
    async rows(texts) {
      const features = texts.map((text) => ngramFeatures(text, ngrams))
      const width = features[0]?.length ?? 0
      const values = new Float32Array(texts.length * width)
      features.forEach((row, index) => values.set(row, index * width))
      const feeds = { [input]: new Run('float32', values, [texts.length, width]) }
      return rowsOf(await session.run(feeds), session, texts.length)
    },
  }
}

function byTokens(session: InferenceSession, tokens: TextTokens, { contextTokens }: ServedManifest): TextModel {
  return {
    refusal: (texts) =>
      texts.some((text) => tokens.encode(text).length > contextTokens)
        ? { refused: 'context_length_exceeded', message: `A text has at most ${contextTokens} tokens.` }
        : null,
    async rows(texts) {
      const ids = texts.map((text) => tokens.encode(text))
      const outputs = await session.run(tokenInputs(session, ids, tokens.padding))
      return rowsOf(outputs, session, texts.length).map(softmax)
    },
  }
}

function rowsOf(outputs: InferenceSession.OnnxValueMapType, session: InferenceSession, count: number): Float32Array[] {
  const { data } = outputs[session.outputNames[0] ?? ''] ?? {}
  if (!(data instanceof Float32Array)) throw new Error('the graph gave no float32')
  const width = data.length / count
  return Array.from({ length: count }, (_, row) => data.subarray(row * width, (row + 1) * width))
}

function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((high, logit) => Math.max(high, logit), -Infinity)
  const weights = logits.map((logit) => Math.exp(logit - highest))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

function answer(
  modelName: string,
  labels: readonly string[],
  rows: readonly Float32Array[],
  topK: number | null,
  wanted: readonly string[],
): InferAnswer | RunnerRefusal {
  const best = rows.map((row) => likeliest(row, topK ?? 1))
  const shape = [rows.length * (topK ?? 1)]
  const names = best.flatMap((indices) => indices.map((index) => labels[index] ?? ''))
  const scores = best.flatMap((indices, row) => indices.map((index) => rows[row]?.[index] ?? 0))
  const all = [
    { name: 'label', datatype: 'BYTES' as const, shape, data: stringsToBytes(names) },
    { name: 'score', datatype: 'FP32' as const, shape, data: new Uint8Array(Float32Array.from(scores).buffer) },
  ]
  // In the order asked for.
  const outputs = wanted.length === 0 ? all : wanted.flatMap((name) => all.filter((output) => output.name === name))
  if (outputs.length < wanted.length) return { refused: 'bad_request', message: 'The outputs are "label" and "score".' }
  return { modelName, outputs }
}

/** Indices of the highest probabilities, highest first; of equal ones the lower index. */
const likeliest = (row: Float32Array, count: number): number[] =>
  [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b).slice(0, count)
