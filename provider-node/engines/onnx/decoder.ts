// A causal language model as ONNX with a key-value cache (the input and output names of Hugging Face's exports).
// The past of a sequence is kept as the graph gave it back; each step feeds only what is new.
import { InferenceSession, Tensor } from 'onnxruntime-node'

/** One sequence's past. Opaque to callers; at most `contextTokens` positions. */
export interface DecoderState {
  readonly past: Readonly<Record<string, Tensor>>
  readonly positions: number
}

export interface Decoder {
  readonly empty: DecoderState
  /** Feeds tokens, returns the logits behind the last one. @throws Error of the graph beyond its context */
  step(state: DecoderState, tokens: readonly number[]): Promise<{ logits: Float32Array; state: DecoderState }>
  close(): Promise<void>
}

/** @throws Error when the file is no such graph */
export async function loadDecoder(file: string, threads: number): Promise<Decoder> {
  const session = await InferenceSession.create(file, sessionOptions(threads))
  const pastNames = session.inputNames.filter((name) => name.startsWith('past_key_values.'))
  const emptyPast = Object.fromEntries(pastNames.map((name) => [name, emptyTensor(session, name)]))
  return {
    empty: { past: emptyPast, positions: 0 },
    async step(state, tokens) {
      const total = state.positions + tokens.length
      const outputs = await session.run({
        ...state.past,
        input_ids: int64(tokens.length, (index) => tokens[index] ?? 0),
        attention_mask: int64(total, () => 1),
        position_ids: int64(tokens.length, (index) => state.positions + index),
      })
      const past: Record<string, Tensor> = {}
      for (const name of pastNames) past[name] = output(outputs, name.replace('past_key_values.', 'present.'))
      return { logits: lastRow(output(outputs, 'logits')), state: { past, positions: total } }
    },
    close: () => session.release(),
  }
}

/** Warnings about unused initializers say nothing to an operator: errors only. */
export const sessionOptions = (threads: number): InferenceSession.SessionOptions => ({
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
})

/** Shape [batch, heads, past, width] with one sequence and nothing past. */
function emptyTensor(session: InferenceSession, name: string): Tensor {
  const input = session.inputMetadata.find((candidate) => candidate.name === name)
  if (!input?.isTensor) throw new Error(`the graph input ${name} has no shape`)
  const [, heads, , width] = input.shape
  if (typeof heads !== 'number' || typeof width !== 'number')
    throw new Error(`the graph input ${name} has no fixed heads`)
  return new Tensor('float32', new Float32Array(0), [1, heads, 0, width])
}

function int64(length: number, valueAt: (index: number) => number): Tensor {
  return new Tensor(
    'int64',
    BigInt64Array.from({ length }, (_, index) => BigInt(valueAt(index))),
    [1, length],
  )
}

function output(outputs: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = outputs[name]
  if (!(value instanceof Tensor)) throw new Error(`the graph gave no ${name}`)
  return value
}

function lastRow(logits: Tensor): Float32Array {
  const { data, dims } = logits
  const vocabulary = dims.at(-1) ?? 0
  if (!(data instanceof Float32Array)) throw new Error('logits are not float32')
  return data.subarray(data.length - vocabulary)
}
