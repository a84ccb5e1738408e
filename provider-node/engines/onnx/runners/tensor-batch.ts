// Calls of one graph as one run (rule): inputs stand one below the other along dimension 0, outputs are cut apart by rows. Only what the manifest
// says gains is batched, and only calls whose tensors agree in everything but their rows.
import { DATATYPE_BYTES, stringsOf, stringsToBytes, type InferRequest, type Tensor } from '../../../../protocol/oip.ts'

/** Rows of a call: dimension 0 of its inputs. Null when they have none, or disagree: then nobody can say which output row is whose. */
export function rowsOf({ inputs }: Pick<InferRequest, 'inputs'>): number | null {
  const [rows] = inputs[0]?.shape ?? []
  return rows !== undefined && inputs.every(({ shape }) => shape[0] === rows) ? rows : null
}

/** Equal for calls that can be one run. @example two calls of `x FP32 [3,8]` and `x FP32 [1,8]` */
export function tensorBatchKey(request: InferRequest): string | null {
  if (rowsOf(request) === null) return null
  const inputs = request.inputs.map(({ name, datatype, shape }) => [name, datatype, ...shape.slice(1)])
  return JSON.stringify([inputs.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)), [...request.outputs].sort()])
}

/**
 * One tensor of the rows of all.
 * @param parts of one name, type and shape behind dimension 0
 * @param spaceFor where the bytes may stand until the run is over
 */
export function joined(parts: readonly Tensor[], spaceFor: (name: string, bytes: number) => Uint8Array): Tensor {
  const [first] = parts
  if (!first) throw new Error('nothing to join')
  const bytes = parts.reduce((sum, part) => sum + part.data.byteLength, 0)
  const data = spaceFor(first.name, bytes)
  let at = 0
  for (const part of parts) {
    data.set(part.data, at)
    at += part.data.byteLength
  }
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
  return { ...first, shape: [rows, ...first.shape.slice(1)], data }
}

/** The rows of each call, as views of the whole: copies would cost a twentieth of a small model's run. Null when the output has other rows than went in: such a graph cannot be batched. */
export function cut(output: Tensor, rows: readonly number[]): Tensor[] | null {
  const total = rows.reduce((sum, count) => sum + count, 0)
  if (output.shape[0] !== total) return null
  const size = DATATYPE_BYTES[output.datatype]
  const strings = size === null ? stringsOf(output.data) : []
  const perRow = total === 0 ? 0 : (size === null ? strings.length : output.data.byteLength) / total
  let from = 0
  return rows.map((count) => {
    const to = from + count * perRow
    const data = size === null ? stringsToBytes(strings.slice(from, to)) : output.data.subarray(from, to)
    from = to
    return { ...output, shape: [count, ...output.shape.slice(1)], data }
  })
}
