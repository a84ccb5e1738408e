// Graphs that take their weights from other files, as an author may write them: only files of the manifest may be read, and no graph can hide one.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type onnxProto from 'onnx-proto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkFiles } from '../../../provider-node/model-store/check.ts'
import { dataFilesOf } from '../../../provider-node/model-store/graph-files.ts'
import { aTemporaryFolder, shippedFolder } from '../builders.ts'
import { aGraph, ELEMENT_TYPE, floatWeights, value } from '../graphs.ts'
import { aManifest, someBytes, writeModel } from './builders.ts'

let home: Awaited<ReturnType<typeof aTemporaryFolder>>
beforeEach(async () => (home = await aTemporaryFolder()))
afterEach(() => home.remove())

const elsewhere = (location: string) => ({
  name: 'w',
  dims: [1],
  dataType: ELEMENT_TYPE.FP32,
  dataLocation: 1,
  externalData: [
    { key: 'offset', value: '0' },
    { key: 'location', value: location },
  ],
})
type Node = onnxProto.onnx.INodeProto
const ADD: Node = { opType: 'Add', input: ['x', 'w'], output: ['y'] }
const graphOf = (weights: readonly onnxProto.onnx.ITensorProto[], nodes: readonly Node[] = [ADD]) =>
  aGraph({ nodes, inputs: [value('x', 'FP32', [1])], outputs: [value('y', 'FP32', [1])], weights })
const constant = (attribute: onnxProto.onnx.IAttributeProto): Node => ({
  opType: 'Constant',
  output: ['w'],
  attribute: [{ name: 'value', ...attribute }],
})
const inner = { name: 'inner', node: [constant({ t: elsewhere('weights.bin') })] }
/** An unknown group around a field, and before the graph: a reader that stumbles over it would see nothing. */
const GROUP = Uint8Array.of(0x9b, 0x06, 0x08, 0x01, 0x9c, 0x06)

async function read(graph: Uint8Array): Promise<string[]> {
  await writeFile(join(home.path, 'graph.onnx'), graph)
  return dataFilesOf(join(home.path, 'graph.onnx'))
}

describe('the files a graph takes its weights from', () => {
  it.each<[string, Uint8Array]>([
    ['a weight', graphOf([elsewhere('weights.bin')])],
    ['a weight behind large ones', graphOf([floatWeights('v', [100_000], () => 1), elsewhere('weights.bin')])],
    ['a constant', graphOf([], [constant({ t: elsewhere('weights.bin') })])],
    ['a list of constants', graphOf([], [constant({ tensors: [elsewhere('weights.bin')] })])],
    ['a graph within a node', graphOf([], [{ opType: 'If', attribute: [{ name: 'then_branch', g: inner }] }])],
    ['a graph behind an unknown group', Buffer.concat([GROUP, graphOf([elsewhere('weights.bin')])])],
    ['a second graph, which is joined to the first', Buffer.concat([graphOf([]), graphOf([elsewhere('weights.bin')])])],
  ])('are found in %s', async (_, graph) => {
    expect(await read(graph)).toEqual(['weights.bin'])
  })

  it('are none where all weights are inside, in what is no graph, and in one that is cut off', async () => {
    expect(await read(graphOf([floatWeights('w', [1], () => 1)]))).toEqual([])
    expect(await read(someBytes(10_000))).toEqual([])
    expect(await read(new Uint8Array())).toEqual([])
    expect(await read(graphOf([elsewhere('weights.bin')]).subarray(0, 20))).toEqual([])
    for (const name of ['tiny-chat', 'word-vectors', 'language-id'])
      expect(await dataFilesOf(join(shippedFolder(name), 'model.onnx'))).toEqual([])
  })

  it('must stand in the manifest: what lies beside the graph was never hashed', async () => {
    const files = { 'model.onnx': Buffer.from(graphOf([elsewhere('weights.bin')])), 'weights.bin': someBytes(4) }
    const whole = aManifest(files)
    await writeModel(home.path, whole, files)
    await expect(checkFiles({ manifest: whole, folder: home.path })).resolves.toBeUndefined()
    const without = aManifest({ 'model.onnx': files['model.onnx'] })
    await expect(checkFiles({ manifest: without, folder: home.path })).rejects.toThrow(
      'model.onnx takes weights from "weights.bin", a file that its manifest does not name',
    )
  })

  it.each(['../weights.bin', '/etc/passwd', './weights.bin', '*/_ORT_MEM_ADDR_/*', '', 'toString', '\u001b[2J'])(
    'may not be %j, whatever is there',
    async (location) => {
      const files = { 'model.onnx': Buffer.from(graphOf([elsewhere(location)])), 'weights.bin': someBytes(4) }
      await writeModel(home.path, aManifest(files), files)
      const checked = checkFiles({ manifest: aManifest(files), folder: home.path })
      await expect(checked).rejects.toThrow('a file that its manifest does not name')
      await expect(checked).rejects.not.toThrow('\u001b')
    },
  )
})
