// The measure for the node's engine: onnxruntime with nothing around it. A fixed batch of prompts, padded on the left, fed in one run, then a step at
// a time until each has its tokens; greedy, the argmax in JavaScript; no queue, no tokenizer, no text, no stop, nobody joins or leaves.
import { Tensor, type InferenceSession } from 'onnxruntime-node'

export interface BareLoop {
  /** Answers these prompts together. @returns the tokens of each answer */
  run(prompts: readonly (readonly number[])[], outputTokens: number): Promise<number[][]>
  close(): Promise<void>
}

export const bareLoopOf = (session: InferenceSession): BareLoop => ({
  run: (prompts, outputTokens) => runBatch(session, prompts, outputTokens),
  close: () => session.release(),
})

async function runBatch(
  session: InferenceSession,
  prompts: readonly (readonly number[])[],
  outputTokens: number,
): Promise<number[][]> {
  const rows = prompts.length
  const longest = Math.max(...prompts.map((prompt) => prompt.length))
  const answers = prompts.map((): number[] => [])
  const padding = prompts.map((prompt) => longest - prompt.length)
  const ids = prompts.flatMap((prompt, row) => [...new Array<number>(padding[row] ?? 0).fill(0), ...prompt])
  const positions = prompts.flatMap((_, row) =>
    Array.from({ length: longest }, (_, column) => Math.max(0, column - (padding[row] ?? 0))),
  )
  let outputs = await session.run({
    ...emptyCache(session, rows),
    input_ids: int64(ids, [rows, longest]),
    attention_mask: mask(padding, longest),
    position_ids: int64(positions, [rows, longest]),
  })
  let next = take(outputs, longest, answers)
  const cacheNames = session.inputNames.filter((name) => name.startsWith('past_key_values.'))
  for (let step = 1; step < outputTokens; step++) {
    const feeds: Record<string, Tensor> = {
      input_ids: int64(next, [rows, 1]),
      attention_mask: mask(padding, longest + step),
      position_ids: int64(
        padding.map((pad) => longest - pad + step - 1),
        [rows, 1],
      ),
    }
    for (const name of cacheNames) feeds[name] = tensorOf(outputs, name.replace('past_key_values.', 'present.'))
    outputs = await session.run(feeds)
    next = take(outputs, 1, answers)
  }
  return answers
}

/** Notes the likeliest token of each row. */
function take(outputs: InferenceSession.OnnxValueMapType, columns: number, answers: number[][]): number[] {
  const logits = tensorOf(outputs, 'logits')
  const vocabulary = logits.dims.at(-1) ?? 0
  if (!(logits.data instanceof Float32Array)) throw new Error('logits are not float32')
  const { data } = logits
  return answers.map((answer, row) => {
    const start = (row * columns + columns - 1) * vocabulary
    let best = start
    for (let index = start; index < start + vocabulary; index++)
      if ((data[index] ?? 0) > (data[best] ?? 0)) best = index
    answer.push(best - start)
    return best - start
  })
}

function emptyCache(session: InferenceSession, rows: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {}
  for (const input of session.inputMetadata) {
    if (!input.isTensor || !input.name.startsWith('past_key_values.')) continue
    feeds[input.name] = new Tensor('float32', new Float32Array(), [
      rows,
      Number(input.shape[1]),
      0,
      Number(input.shape[3]),
    ])
  }
  return feeds
}

const mask = (padding: readonly number[], columns: number): Tensor => {
  const values = new BigInt64Array(padding.length * columns)
  padding.forEach((pad, row) => values.fill(1n, row * columns + pad, (row + 1) * columns))
  return new Tensor('int64', values, [padding.length, columns])
}

const int64 = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims)

function tensorOf(outputs: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = outputs[name]
  if (!(value instanceof Tensor)) throw new Error(`the graph gave no ${name}`)
  return value
}
