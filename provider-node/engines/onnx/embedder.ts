// A text embedding model as ONNX: token ids in, one vector per text out. Texts are padded to the longest of their batch.
import { InferenceSession, Tensor } from 'onnxruntime-node'

/** texts in one run of the graph: enough to gain from batching, few enough to notice a caller who left */
export const EMBED_BATCH = 32

export interface Embedder {
  /** @param texts token ids of at most {@link EMBED_BATCH} texts */
  run(texts: readonly (readonly number[])[]): Promise<Float32Array[]>
  close(): Promise<void>
}

const sessionOptions = (threads: number): InferenceSession.SessionOptions => ({
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
})

/** @throws Error when the file is no such graph */
export async function loadEmbedder(file: string, threads: number): Promise<Embedder> {
  const session = await InferenceSession.create(file, sessionOptions(threads))
  return {
    async run(texts) {
      // The graph ignores id 0, and an empty text still needs one column.
      const longest = Math.max(1, ...texts.map((ids) => ids.length))
      const ids = new BigInt64Array(texts.length * longest)
      texts.forEach((tokens, row) => tokens.forEach((token, column) => (ids[row * longest + column] = BigInt(token))))
      const outputs = await session.run({ input_ids: new Tensor('int64', ids, [texts.length, longest]) })
      const vectors = outputs.sentence_embedding
      if (!(vectors?.data instanceof Float32Array)) throw new Error('the graph gave no sentence_embedding')
      const { data } = vectors
      const width = data.length / texts.length
      return texts.map((_, row) => data.slice(row * width, (row + 1) * width))
    },
    close: () => session.release(),
  }
}
