// Conformance cases of ONNX: a graph, its inputs and the outputs it must give, read from protocol buffers into the tensors of the house.
import onnxProto from 'onnx-proto'
import { stringsToBytes, type Datatype, type Tensor, type TensorSpec } from '../../protocol/oip.ts'

const { onnx } = onnxProto
type TensorProto = InstanceType<typeof onnx.TensorProto>

export interface OnnxCase {
  readonly name: string
  readonly graph: Uint8Array
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
}

/** Why a case is none of tensors, in words. */
export interface NoTensors {
  readonly name: string
  readonly why: string
}

const DATATYPES: Readonly<Record<number, Datatype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
  16: 'BF16',
}

/** @param file gives a file of the case's folder, null when there is none */
export function readCase(name: string, file: (path: string) => Uint8Array | null): OnnxCase | NoTensors {
  const graph = file('model.onnx')
  if (!graph) throw new Error(`${name} has no graph`)
  const { graph: decoded } = onnx.ModelProto.decode(graph)
  const constants = new Set((decoded?.initializer ?? []).map((initializer) => initializer.name))
  const given = (decoded?.input ?? []).filter((input) => !constants.has(input.name))
  const asked = decoded?.output ?? []
  const other = [...given, ...asked].find((value) => !value.type?.tensorType)
  if (other) return { name, why: `${other.name} is no tensor` }
  const read = (kind: 'input' | 'output', values: typeof given) =>
    values.flatMap((value, index) => {
      const bytes = file(`test_data_set_0/${kind}_${index}.pb`)
      return bytes ? [tensorOf(value.name ?? '', onnx.TensorProto.decode(bytes))] : []
    })
  const [inputs, outputs] = [read('input', given), read('output', asked)]
  const strange = [...inputs, ...outputs].find((tensor) => typeof tensor === 'string')
  if (typeof strange === 'string') return { name, why: strange }
  const isTensor = (tensor: Tensor | string): tensor is Tensor => typeof tensor !== 'string'
  return { name, graph, inputs: inputs.filter(isTensor), outputs: outputs.filter(isTensor) }
}

export const specOf = ({ name, datatype, shape }: Tensor): TensorSpec => ({ name, datatype, shape: [...shape] })

/** @returns a sentence for a type that the protocol does not have */
function tensorOf(name: string, proto: TensorProto): Tensor | string {
  const datatype = DATATYPES[proto.dataType ?? 0]
  if (!datatype) return `${name} is of the ONNX type ${proto.dataType}, which the protocol does not have`
  return { name, datatype, shape: (proto.dims ?? []).map(Number), data: dataOf(proto, datatype) }
}

function dataOf(proto: TensorProto, datatype: Datatype): Uint8Array {
  if (datatype === 'BYTES') return stringsToBytes(proto.stringData ?? [])
  if (proto.rawData && proto.rawData.length > 0) return Uint8Array.from(proto.rawData)
  const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const small = (proto.int32Data ?? []).map(Number)
  const large = (values: readonly unknown[]) => values.map((value) => BigInt(String(value)))
  switch (datatype) {
    case 'FP32':
      return bytes(Float32Array.from(proto.floatData ?? []))
    case 'FP64':
      return bytes(Float64Array.from(proto.doubleData ?? []))
    case 'INT64':
      return bytes(BigInt64Array.from(large(proto.int64Data ?? [])))
    case 'UINT64':
      return bytes(BigUint64Array.from(large(proto.uint64Data ?? [])))
    case 'UINT32':
      return bytes(Uint32Array.from(large(proto.uint64Data ?? []).map(Number)))
    case 'INT32':
      return bytes(Int32Array.from(small))
    case 'INT16':
      return bytes(Int16Array.from(small))
    case 'UINT16':
    case 'FP16':
    case 'BF16':
      return bytes(Uint16Array.from(small))
    case 'INT8':
      return bytes(Int8Array.from(small))
    case 'UINT8':
    case 'BOOL':
      return bytes(Uint8Array.from(small))
    default:
      return datatype satisfies never
  }
}

/** numpy's assert_allclose with the tolerances of ONNX's own runner. @returns the first difference in words, null when there is none */
export function difference(actual: Tensor | undefined, expected: Tensor): string | null {
  if (!actual) return `${expected.name} is missing`
  const { name, datatype, shape } = actual
  if (datatype !== expected.datatype || shape.join() !== expected.shape.join())
    return `${name} is ${datatype} [${shape.join()}] and not ${expected.datatype} [${expected.shape.join()}]`
  const [got, wanted] = [elements(actual), elements(expected)]
  if (!got || !wanted)
    return Buffer.compare(actual.data, expected.data) === 0 ? null : `${name} has other bytes than it should`
  const at = wanted.findIndex((value, index) => !isClose(got[index] ?? 0, value))
  return at < 0 ? null : `${name}[${at}] is ${got[at]} and not ${wanted[at]}`
}

const isClose = (actual: number, expected: number): boolean =>
  Object.is(actual, expected) || actual === expected || Math.abs(actual - expected) <= 1e-7 + 1e-3 * Math.abs(expected)

/** Of floats; null for what must be equal to the bit. */
function elements({ datatype, data }: Tensor): number[] | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const all = (size: number, read: (at: number) => number) =>
    Array.from({ length: data.byteLength / size }, (_, index) => read(index * size))
  if (datatype === 'FP32') return all(4, (at) => view.getFloat32(at, true))
  if (datatype === 'FP64') return all(8, (at) => view.getFloat64(at, true))
  if (datatype === 'FP16') return all(2, (at) => half(view.getUint16(at, true)))
  if (datatype === 'BF16') return all(2, (at) => brain(view.getUint16(at, true)))
  return null
}

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 0x1f, bits & 0x3ff]
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

function brain(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits << 16)
  return view.getFloat32(0)
}
