// Tensors and jobs of them, as a route would hand them to an engine.
import type { Datatype, InferAnswer, InferRequest, Tensor } from '../../protocol/oip.ts'
import { stringsToBytes } from '../../protocol/oip.ts'
import type { EngineOptions } from '../../provider-node/engines/create.ts'
import type { InferJob, TensorEngine } from '../../provider-node/engines/engine.ts'
import { createOnnxEngine } from '../../provider-node/engines/onnx/onnx-engine.ts'
import type { LoadedModel } from '../../provider-node/model-store/manifest.ts'
import { ENGINE_OPTIONS } from './jobs.ts'

type Values = Float32Array | Float64Array | BigInt64Array | BigUint64Array | Int32Array | Uint8Array | Uint16Array

export const tensor = (name: string, datatype: Datatype, shape: readonly number[], values: Values): Tensor => ({
  ...{ name, datatype, shape },
  data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
})

export const fp32 = (name: string, shape: readonly number[], values: readonly number[]): Tensor =>
  tensor(name, 'FP32', shape, Float32Array.from(values))

export const strings = (name: string, values: readonly (string | Uint8Array)[]): Tensor => ({
  ...{ name, datatype: 'BYTES', shape: [values.length] },
  data: stringsToBytes(values),
})

export const aRequest = (inputs: readonly Tensor[], overrides: Partial<InferRequest> = {}): InferRequest => ({
  ...{ modelName: 'test/graph', inputs, outputs: [], parameters: {} },
  ...overrides,
})

export const anInferJob = (request: InferRequest, overrides: Partial<InferJob> = {}): InferJob => ({
  ...{ account: 'somebody', startBy: Number.MAX_SAFE_INTEGER, request },
  ...overrides,
})

export async function aTensorEngine(model: LoadedModel, options: Partial<EngineOptions> = {}): Promise<TensorEngine> {
  const engine = await createOnnxEngine(model, { ...ENGINE_OPTIONS, ...options })
  if (engine.task === 'chat' || engine.task === 'embeddings') throw new Error('not a model of tensors')
  return engine
}

/** Floats of the first output. */
export function floatsOf({ outputs }: InferAnswer, index = 0): number[] {
  const data = outputs[index]?.data ?? new Uint8Array()
  return [...new Float32Array(data.slice().buffer)]
}
