// Probes in tensors: the known inputs go out in the one form that crosses to a node (protocol/oip-canonical.ts), and every known output must come
// back within the tolerance its author gave. All outputs are asked for, as most callers do.
import { concatBytes } from '../../protocol/canonical.ts'
import type { ModelManifest, Probe } from '../../protocol/model.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { decodeAnswer, encodeRequest } from '../../protocol/oip-canonical.ts'
import { tensorFromJson } from '../../protocol/oip-json.ts'
import { OIP_LIMITS, tensorBytes, type OipTensorJson, type Tensor } from '../../protocol/oip.ts'
import { outputHash, tensorRequestHash } from '../../protocol/receipt.ts'
import { boundedChunks } from '../link/bounded.ts'
import { NodeFailure } from './node-failure.ts'
import type { ProbeAnswer, ProbeCall } from './probe-receipt.ts'
import { tensorMismatch, TOLERANCE } from './tensor-match.ts'

export type TensorProbe = Exclude<Probe, { input: string }>

/** @throws NodeFailure for a probe that no node could be sent: publishing refuses such a model */
export function tensorProbe(probe: TensorProbe, manifest: ModelManifest): ProbeCall {
  const inputs = tensorsOf(probe.inputs)
  const known = tensorsOf(probe.outputs)
  if (!manifest.tensors || !inputs || !known) throw new NodeFailure('The model’s own probe cannot be read.')
  const { outputBytesMax } = manifest.tensors
  const body = encodeRequest({ modelName: manifest.id, inputs, outputs: [], parameters: {} })
  const inputBytes = tensorBytes(inputs)
  const tolerance = { rtol: probe.rtol ?? TOLERANCE.rtol, atol: probe.atol ?? TOLERANCE.atol }
  return {
    path: NODE_PATHS.infer,
    body,
    inputTokensMax: 0,
    outputTokensMax: 0,
    tensorBytesMax: inputBytes + outputBytesMax,
    requestHash: (salt) => tensorRequestHash(salt, body),
    async read(response, salt, signal): Promise<ProbeAnswer> {
      const { modelName, outputs, receipt } = await readAnswer(response, outputBytesMax, signal)
      if (modelName !== manifest.id) throw new NodeFailure('It answered for another model.')
      const outputBytes = tensorBytes(outputs)
      if (outputBytes > outputBytesMax) throw new NodeFailure('Its outputs have more bytes than the model may give.')
      requireKnown(outputs, known, tolerance)
      const hashes = outputs.map(({ data }) => outputHash(salt, data))
      return { receipt, outputs: hashes, tensorBytes: inputBytes + outputBytes }
    },
  }
}

/** Null when one of them cannot be read. */
export function tensorsOf(tensors: readonly OipTensorJson[]): Tensor[] | null {
  const read = tensors.flatMap((json) => {
    const tensor = tensorFromJson(json)
    return tensor.ok ? [tensor.value] : []
  })
  return read.length === tensors.length ? read : null
}

async function readAnswer(response: Response, outputBytesMax: number, signal: AbortSignal) {
  const bytesMax = Math.min(FRAME_BYTES + outputBytesMax, OIP_LIMITS.bodyBytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of boundedChunks(response, bytesMax, signal)) chunks.push(chunk)
  const answer = decodeAnswer(concatBytes(...chunks))
  if (!answer.ok) throw new NodeFailure('It sent an answer that is not of the wire.')
  return answer.value
}

/** what stands around the outputs: the header and its length */
const FRAME_BYTES = 4 + OIP_LIMITS.headerBytes

function requireKnown(outputs: readonly Tensor[], known: readonly Tensor[], tolerance: typeof TOLERANCE): void {
  for (const expected of known) {
    const found = outputs.filter(({ name }) => name === expected.name)
    const [output] = found
    if (!output || found.length > 1) throw new NodeFailure(`It did not give output "${expected.name}" once.`)
    const mismatch = tensorMismatch(output, expected, tolerance)
    if (mismatch !== null) throw new NodeFailure(`Output "${expected.name}" ${mismatch}.`)
  }
}
