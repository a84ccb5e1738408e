// What a graph for text generation takes and gives, read from its own declaration when it is loaded: what cannot be served is refused then, with
// a sentence for the operator, and never becomes a crash under load or a wrong answer.
import type { InferenceSession } from 'onnxruntime-node'
import type { CacheTensor } from './kv-cache.ts'

export interface Signature {
  readonly cache: readonly CacheTensor[]
  readonly hasMask: boolean
  readonly hasPositions: boolean
  /** an input of newer exports that says of how many positions logits are wanted */
  readonly logitsToKeep: string | null
  /** logits of one position */
  readonly vocabulary: number
}

type Declared = InferenceSession['inputMetadata'][number]
type DeclaredTensor = Extract<Declared, { isTensor: true }>

const LOGITS_TO_KEEP = ['num_logits_to_keep', 'logits_to_keep']

/** @throws Error naming the first thing that cannot be served */
export function readSignature({
  inputMetadata,
  outputMetadata,
}: Pick<InferenceSession, 'inputMetadata' | 'outputMetadata'>): Signature {
  const inputs = new Map(inputMetadata.map((declared) => [declared.name, declared]))
  const outputs = new Map(outputMetadata.map((declared) => [declared.name, declared]))
  int64(tensor(inputs, 'input_ids'))
  const vocabulary = vocabularyOf(tensor(outputs, 'logits'))
  const pasts = [...inputs.keys()].filter((name) => name.startsWith('past_key_values.'))
  if (pasts.length === 0)
    throw new Error('the graph has no inputs past_key_values.*: export it with its key-value cache')
  const cache = pasts.map((past) => cacheTensor(tensor(inputs, past), outputs))
  const logitsToKeep = LOGITS_TO_KEEP.find((name) => inputs.has(name)) ?? null
  const served = new Set([...pasts, 'input_ids', 'attention_mask', 'position_ids', logitsToKeep])
  for (const name of inputs.keys())
    if (!served.has(name)) throw new Error(`the graph asks for ${name}, which this engine cannot give`)
  for (const name of ['attention_mask', 'position_ids']) if (inputs.has(name)) int64(tensor(inputs, name))
  return {
    cache,
    hasMask: inputs.has('attention_mask'),
    hasPositions: inputs.has('position_ids'),
    logitsToKeep,
    vocabulary,
  }
}

/** Shape [batch, heads, past, width]. */
function cacheTensor(declared: DeclaredTensor, outputs: ReadonlyMap<string, Declared>): CacheTensor {
  const present = declared.name.replace('past_key_values.', 'present.')
  float32(declared)
  float32(tensor(outputs, present))
  const [, heads, , width] = declared.shape
  if (declared.shape.length !== 4 || typeof heads !== 'number' || typeof width !== 'number')
    throw new Error(`the cache ${declared.name} is not of shape [batch, heads, past, width] with fixed heads and width`)
  return { past: declared.name, present, heads, width }
}

/** Shape [batch, positions, vocabulary]. */
function vocabularyOf(declared: DeclaredTensor): number {
  float32(declared)
  const [, , vocabulary] = declared.shape
  if (declared.shape.length !== 3 || typeof vocabulary !== 'number')
    throw new Error('logits are not of shape [batch, positions, vocabulary] with a fixed vocabulary')
  return vocabulary
}

function tensor(declared: ReadonlyMap<string, Declared>, name: string): DeclaredTensor {
  const found = declared.get(name)
  if (!found?.isTensor) throw new Error(`the graph has no tensor ${name}`)
  return found
}

function float32({ name, type }: DeclaredTensor): void {
  if (type !== 'float32') throw new Error(`${name} is ${type}: this engine keeps caches and logits as float32`)
}

function int64({ name, type }: DeclaredTensor): void {
  if (type !== 'int64') throw new Error(`${name} is ${type}: this engine gives int64`)
}
