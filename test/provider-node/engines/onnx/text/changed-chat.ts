// Copies of tiny-chat whose graph was changed, with a manifest that is true of them: other weights, and graphs as other exporters write them.
import onnxProto from 'onnx-proto'
import { createHash } from 'node:crypto'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelManifest } from '../../../../../protocol/model.ts'
import { loadModel } from '../../../../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../../../../provider-node/model-store/manifest.ts'
import { seededRandom } from '../../../../../provider-node/engines/sampling.ts'
import { aTemporaryFolder, shippedFolder } from '../../../builders.ts'

export type Graph = onnxProto.onnx.IGraphProto
const FLOAT16 = 10
const FLOAT = 1
const INT64 = 7

export interface Changed {
  readonly model: LoadedModel
  remove(): Promise<void>
}

export async function changedChat(change: (graph: Graph) => void, from = 'model.onnx'): Promise<Changed> {
  const { path, remove } = await aTemporaryFolder()
  await cp(shippedFolder('tiny-chat'), path, { recursive: true })
  const decoded = onnxProto.onnx.ModelProto.decode(await readFile(join(path, from)))
  if (!decoded.graph) throw new Error('no graph')
  change(decoded.graph)
  const bytes = onnxProto.onnx.ModelProto.encode(decoded).finish()
  await writeFile(join(path, 'model.onnx'), bytes)
  const { sizes: _, ...manifest } = ModelManifest.parse(JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8')))
  const files = { ...manifest.files, 'model.onnx': createHash('sha256').update(bytes).digest('hex') }
  await writeFile(join(path, 'manifest.json'), JSON.stringify({ ...manifest, files }))
  return { model: await loadModel(path), remove }
}

/** Its largest matrix in another order. */
export function shuffled(graph: Graph): void {
  const [largest] = [...(graph.initializer ?? [])].sort((a, b) => (b.rawData?.length ?? 0) - (a.rawData?.length ?? 0))
  if (!largest?.rawData) throw new Error('no weights')
  const bytes = Uint8Array.from(largest.rawData)
  const values = new Float32Array(bytes.buffer)
  const random = seededRandom(1)
  for (let index = values.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    const [a = 0, b = 0] = [values[index], values[other]]
    values[index] = b
    values[other] = a
  }
  largest.rawData = bytes
}

/** It takes a mask and looks at everything all the same, as graphs do that count their sequences' lengths. */
export function ignoringMasks(graph: Graph): void {
  rename(graph, 'attention_mask', 'ones')
  graph.node?.unshift(
    { opType: 'Shape', input: ['attention_mask'], output: ['mask_shape'] },
    {
      opType: 'ConstantOfShape',
      input: ['mask_shape'],
      output: ['ones'],
      attribute: [{ name: 'value', type: 4, t: { dataType: INT64, dims: [1], int64Data: [1] } }],
    },
  )
}

/** What it gives as its caches is not put together where it says so. */
export function indirectCaches(graph: Graph): void {
  for (const name of presents(graph)) {
    rename(graph, name, `${name}.inside`)
    graph.node?.push({ opType: 'Identity', input: [`${name}.inside`], output: [name] })
  }
}

export function halfPrecisionCaches(graph: Graph): void {
  for (const name of presents(graph)) {
    rename(graph, name, `${name}.inside`)
    graph.node?.push(cast(`${name}.inside`, name, FLOAT16))
  }
  for (const { name } of graph.input ?? []) {
    if (!name?.startsWith('past_key_values.')) continue
    rename(graph, name, `${name}.float`)
    graph.node?.unshift(cast(name, `${name}.float`, FLOAT))
  }
  for (const value of [...(graph.input ?? []), ...(graph.output ?? [])])
    if (/^(past|present)/.test(value.name ?? '') && value.type?.tensorType) value.type.tensorType.elemType = FLOAT16
}

const presents = (graph: Graph): string[] =>
  (graph.output ?? []).flatMap(({ name }) => (name?.startsWith('present.') ? [name] : []))

const cast = (from: string, to: string, type: number): onnxProto.onnx.INodeProto => ({
  opType: 'Cast',
  input: [from],
  output: [to],
  attribute: [{ name: 'to', type: 2, i: type }],
})

/** Inside the graph; its inputs and outputs keep their names. */
export function rename(graph: Graph, from: string, to: string): void {
  const renamed = (names: string[] | null | undefined) => (names ?? []).map((name) => (name === from ? to : name))
  for (const node of graph.node ?? []) {
    node.input = renamed(node.input)
    node.output = renamed(node.output)
  }
}
