// Which files of a model are its weights (rule): what an author made, and what a royalty is paid for. Tokenizers, configurations and licences come
// with many models and belong to nobody here; a graph that keeps its weights beside it is the same for every model of its kind.
import type { ModelManifest } from '../../../protocol/model.ts'

const WEIGHTS = /\.(onnx|ort|onnx_data|onnx\.data|safetensors|gguf|ggml|bin|pt|pth|h5|tflite|npz)([._-]\d+)?$/i

/** Their sha256, each once. @example weightsOf({ files: { 'model.onnx': 'ab…', 'tokenizer.json': 'cd…' } }) // { 'ab…' } */
export function weightsOf({ files }: Pick<ModelManifest, 'files'>): Set<string> {
  const isWeights = (name: string) => WEIGHTS.test(name) && !keepsItsWeightsBeside(name, files)
  return new Set(Object.entries(files).flatMap(([name, sha256]) => (isWeights(name) ? [sha256] : [])))
}

const keepsItsWeightsBeside = (name: string, files: ModelManifest['files']): boolean =>
  Object.keys(files).some((other) => other.startsWith(`${name}_data`) || other.startsWith(`${name}.data`))
