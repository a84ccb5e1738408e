// Lets a graph give the keys and values of the new tokens alone. As exported it gives the whole cache, past and new, and the runtime's binding
// copies every output into fresh memory: a quarter of the time of a step, and most of its garbage. The file stays as it is, and so does its digest:
// outputs are added to the bytes that the runtime is given, tensors that are in the graph already. Only what is needed of protobuf is read here.
import type { Signature } from './signature.ts'

/** Of onnx.proto: ModelProto.graph, GraphProto.node and .output, NodeProto.input, .output and .op_type, ValueInfoProto.name. */
const FIELD = { graph: 7, node: 1, graphOutput: 12, nodeInput: 1, nodeOutput: 2, opType: 4, name: 1 }

interface Field {
  readonly number: number
  /** where the field's key begins, where its value begins and ends */
  readonly at: number
  readonly start: number
  readonly end: number
}

export interface Extended {
  readonly bytes: Uint8Array
  /** output with the whole cache -> output with what is new in it */
  readonly added: ReadonlyMap<string, string>
}

/** @returns null when some cache is not put together from its past and what is new, or this is no protobuf: then the graph is used as it is */
export function withNewKeys(model: Uint8Array, signature: Pick<Signature, 'cache'>): Extended | null {
  try {
    return extended(model, signature)
  } catch (cause) {
    if (cause instanceof RangeError) return null
    throw cause
  }
}

function extended(model: Uint8Array, { cache }: Pick<Signature, 'cache'>): Extended | null {
  const graph = fieldsOf(model, 0, model.length).find(({ number }) => number === FIELD.graph)
  if (!graph) return null
  const concats = new Map<string, readonly string[]>()
  for (const node of fieldsOf(model, graph.start, graph.end).filter(({ number }) => number === FIELD.node)) {
    const parts = fieldsOf(model, node.start, node.end)
    const texts = (number: number) => parts.filter((part) => part.number === number).map((part) => textOf(model, part))
    const [output] = texts(FIELD.nodeOutput)
    if (output !== undefined && texts(FIELD.opType)[0] === 'Concat') concats.set(output, texts(FIELD.nodeInput))
  }
  const added = new Map<string, string>()
  for (const { past, present } of cache) {
    const [first, second, ...others] = concats.get(present) ?? []
    if (first !== past || second === undefined || others.length > 0) return null
    added.set(present, second)
  }
  const outputs = [...added.values()].map((name) => field(FIELD.graphOutput, field(FIELD.name, Buffer.from(name))))
  const body = Buffer.concat([model.subarray(graph.start, graph.end), ...outputs])
  const bytes = Buffer.concat([model.subarray(0, graph.at), field(FIELD.graph, body), model.subarray(graph.end)])
  return { bytes, added }
}

/** The fields of a message, in order. @throws RangeError when this is no protobuf */
function fieldsOf(bytes: Uint8Array, start: number, end: number): Field[] {
  const fields: Field[] = []
  let at = start
  while (at < end) {
    const key = varint(bytes, at)
    const number = Math.floor(key.value / 8)
    const wire = key.value % 8
    const value = valueRange(bytes, key.end, wire)
    if (value.end > end) throw new RangeError('a field of the graph ends behind its message')
    fields.push({ number, at, ...value })
    at = value.end
  }
  return fields
}

function valueRange(bytes: Uint8Array, at: number, wire: number): { start: number; end: number } {
  if (wire === 0) return { start: at, end: varint(bytes, at).end }
  if (wire === 1) return { start: at, end: at + 8 }
  if (wire === 5) return { start: at, end: at + 4 }
  if (wire !== 2) throw new RangeError('a field of the graph has no known form')
  const length = varint(bytes, at)
  return { start: length.end, end: length.end + length.value }
}

function varint(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, end: at + index + 1 }
  }
  throw new RangeError('a number of the graph does not end')
}

const textOf = (bytes: Uint8Array, { start, end }: Field): string => Buffer.from(bytes.subarray(start, end)).toString()

/** A length-delimited field. */
function field(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([encoded(number * 8 + 2), encoded(value.length), value])
}

function encoded(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}
