// A graph that keeps one weight in a file beside it, named as its author pleases.
import onnxProto from 'onnx-proto'
import { ELEMENT_TYPE, value } from '../graphs.ts'

/** `x + w -> y`, with w in `file`. */
export function aGraphWithData(file: string): Uint8Array {
  const weight = {
    name: 'w',
    dims: [1],
    dataType: ELEMENT_TYPE.FP32,
    dataLocation: 1,
    externalData: [{ key: 'location', value: file }],
  }
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 13 }],
    graph: {
      name: 'graph',
      node: [{ opType: 'Add', input: ['x', 'w'], output: ['y'] }],
      input: [value('x', 'FP32', [1])],
      output: [value('y', 'FP32', [1])],
      initializer: [weight],
    },
  }).finish()
}
