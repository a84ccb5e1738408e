// Small ONNX graphs, built when a test needs them, and model folders around them. What each is for stands beside it; none is committed as a file.
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import onnxProto from 'onnx-proto'
import { type Datatype } from '../../protocol/oip.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../provider-node/model-store/manifest.ts'
import { aTemporaryFolder } from './builders.ts'

/** ONNX's numbers for the types (TensorProto.DataType). */
export const ELEMENT_TYPE: Readonly<Record<Datatype, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BF16: 16,
}

/** A number is fixed, a name varies. Null: the graph says nothing about the shape. */
export type Dimensions = readonly (number | string)[] | null
type Value = onnxProto.onnx.IValueInfoProto
type Node = onnxProto.onnx.INodeProto

export const value = (name: string, datatype: Datatype, shape: Dimensions): Value => ({
  name,
  type: {
    tensorType: {
      elemType: ELEMENT_TYPE[datatype],
      ...(shape && {
        shape: { dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })) },
      }),
    },
  },
})

export interface Graph {
  readonly nodes: readonly Node[]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  readonly weights?: readonly onnxProto.onnx.ITensorProto[]
}

export const aGraph = ({ nodes, inputs, outputs, weights = [] }: Graph): Uint8Array =>
  onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 13 }],
    graph: { name: 'graph', node: [...nodes], input: [...inputs], output: [...outputs], initializer: [...weights] },
  }).finish()

export const floatWeights = (name: string, dims: readonly number[], at: (index: number) => number) => ({
  name,
  dims: [...dims],
  dataType: ELEMENT_TYPE.FP32,
  rawData: new Uint8Array(Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => at(i)).buffer),
})

/** `x -> y`, unchanged. */
export const identity = (datatype: Datatype, shape: Dimensions = ['n']): Uint8Array =>
  aGraph({
    nodes: [{ opType: 'Identity', input: ['x'], output: ['y'] }],
    inputs: [value('x', datatype, shape)],
    outputs: [value('y', datatype, shape)],
  })

/** `a + b -> sum`, and `a - b -> difference`. */
export const sum = (datatype: Datatype = 'FP32', shape: Dimensions = ['rows', 'columns']): Uint8Array =>
  aGraph({
    nodes: [
      { opType: 'Add', input: ['a', 'b'], output: ['sum'] },
      { opType: 'Sub', input: ['a', 'b'], output: ['difference'] },
    ],
    inputs: [value('a', datatype, shape), value('b', datatype, shape)],
    outputs: [value('sum', datatype, shape), value('difference', datatype, shape)],
  })

/**
 * Multiplications by matrices of 16.8 MB: bound by memory alone, by arithmetic in a batch, so batching gains; the more the less of them fits a cache.
 * `x [b,2048] -> y [b,2048]`
 */
export const mlp2048 = (layers = 1): Uint8Array =>
  aGraph({
    nodes: chain(layers, (layer) => `w${layer}`),
    inputs: [value('x', 'FP32', ['b', 2048])],
    outputs: [value('y', 'FP32', ['b', 2048])],
    weights: Array.from({ length: layers }, (_, layer) =>
      floatWeights(`w${layer}`, [2048, 2048], (index) => ((index * 7919 + layer) % 1000) / 1e5),
    ),
  })

/** So many multiplications one after the other; 40 take about 7 ms. `x [b,256] -> y [b,256]` */
export const slow = (layers = 40): Uint8Array =>
  aGraph({
    nodes: chain(layers, () => 'w'),
    inputs: [value('x', 'FP32', ['b', 256])],
    outputs: [value('y', 'FP32', ['b', 256])],
    weights: [floatWeights('w', [256, 256], (index) => (index % 257 === 0 ? 1 : 0))],
  })

/** From x to y, one multiplication after the other. */
const chain = (layers: number, weightsOf: (layer: number) => string): Node[] => {
  const name = (layer: number) => (layer === 0 ? 'x' : layer === layers ? 'y' : `h${layer}`)
  return Array.from({ length: layers }, (_, layer) => ({
    opType: 'MatMul',
    input: [name(layer), weightsOf(layer)],
    output: [name(layer + 1)],
  }))
}

/** `i [b] -> y [b]`, a table of ten values (0, 1, 4, … 81); an index beyond it makes the whole run throw. */
export const lookup = (): Uint8Array =>
  aGraph({
    nodes: [{ opType: 'Gather', input: ['table', 'i'], output: ['y'] }],
    inputs: [value('i', 'INT64', ['b'])],
    outputs: [value('y', 'FP32', ['b'])],
    weights: [floatWeights('table', [10], (index) => index * index)],
  })

/** `n [1] -> y [m]`: so many zeros as its input says: what a hostile caller would ask for. */
export const zeros = (): Uint8Array =>
  aGraph({
    nodes: [{ opType: 'ConstantOfShape', input: ['n'], output: ['y'] }],
    inputs: [value('n', 'INT64', [1])],
    outputs: [value('y', 'FP32', ['m'])],
  })

export interface ModelFolder {
  readonly model: LoadedModel
  remove(): Promise<void>
}

/** A model of the task `tensors` on disk, with any more files, checked and loaded as the node would. */
export async function aModelFolder(
  graph: Uint8Array,
  overrides: Partial<ModelManifest> = {},
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<ModelFolder> {
  const folder = await aTemporaryFolder()
  const all = { 'model.onnx': graph, ...files }
  const hashes: Record<string, string> = {}
  for (const [name, content] of Object.entries(all)) {
    await writeFile(join(folder.path, name), content)
    hashes[name] = createHash('sha256').update(content).digest('hex')
  }
  const manifest: ModelManifest = ModelManifest.parse({
    id: 'test/graph',
    task: 'tensors',
    description: 'a graph',
    licence: 'Apache-2.0',
    files: hashes,
    probes: [{ input: 'none' }],
    royaltyBps: 0,
    ...overrides,
  })
  await writeFile(join(folder.path, 'manifest.json'), JSON.stringify(manifest))
  return { model: await loadModel(folder.path), remove: folder.remove }
}
