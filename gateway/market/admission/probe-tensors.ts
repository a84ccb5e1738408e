// Probes in tensors: the known inputs go out in the one form that crosses to a node (protocol/oip-canonical.ts), and every known output must come
// back within the tolerance its author gave. All outputs are asked for, as most callers do.
import { concatBytes } from '../../../protocol/canonical.ts'
import type { ModelManifest, Probe } from '../../../protocol/model.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { decodeAnswer, encodeRequest } from '../../../protocol/oip-canonical.ts'
import { tensorFromJson } from '../../../protocol/oip-json.ts'
import { OIP_LIMITS, tensorBytes, type OipTensorJson, type Tensor } from '../../../protocol/oip.ts'
import { outputHash, tensorRequestHash } from '../../../protocol/receipt.ts'
import { boundedChunks } from '../../link/bounded.ts'
import { NodeFailure } from './node-failure.ts'
import type { ProbeAnswer, ProbeCall } from './probe-receipt.ts'
import { answerMisfit, type TensorSpecs } from '../models/tensor-fit.ts'
import { tensorMismatch, TOLERANCE, type Tolerance } from '../../../protocol/tensor-match.ts'

export type TensorProbe = Exclude<Probe, { input: string }>

/** @throws NodeFailure for a probe that no node could be sent: publishing refuses such a model */
export function tensorProbe(probe: TensorProbe, manifest: ModelManifest): ProbeCall {
  const inputs = tensorsOf(probe.inputs)
  const known = tensorsOf(probe.outputs)
  const { tensors: specs } = manifest
  if (!specs || !inputs || !known) throw new NodeFailure('The model’s own probe cannot be read.')
  const body = encodeRequest({ modelName: manifest.id, inputs, outputs: [], parameters: {} })
  const inputBytes = tensorBytes(inputs)
  const tolerance = { rtol: probe.rtol ?? TOLERANCE.rtol, atol: probe.atol ?? TOLERANCE.atol }
  return {
    path: NODE_PATHS.infer,
    body,
    inputTokensMax: 0,
    outputTokensMax: 0,
    tensorBytesMax: inputBytes + specs.outputBytesMax,
    requestHash: (salt) => tensorRequestHash(salt, body),
    async read(response, salt, signal): Promise<ProbeAnswer> {
      const { modelName, outputs, receipt } = await readAnswer(response, specs, signal)
      if (modelName !== manifest.id) throw new NodeFailure('It answered for another model.')
      requireFit(outputs, specs)
      requireKnown(outputs, known, tolerance)
      const hashes = outputs.map(({ data }) => outputHash(salt, data))
      return { receipt, outputs: hashes, tensorBytes: inputBytes + tensorBytes(outputs) }
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

async function readAnswer(response: Response, { outputBytesMax }: TensorSpecs, signal: AbortSignal) {
  const bytesMax = Math.min(FRAME_BYTES + outputBytesMax, OIP_LIMITS.bodyBytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of boundedChunks(response, bytesMax, signal)) chunks.push(chunk)
  const answer = decodeAnswer(concatBytes(...chunks))
  if (!answer.ok) throw new NodeFailure('It sent an answer that is not of the wire.')
  return answer.value
}

/** what stands around the outputs: the header and its length */
const FRAME_BYTES = 4 + OIP_LIMITS.headerBytes

/** What no call would take, no probe takes. A name that the node made up is not repeated to anybody. */
function requireFit(outputs: readonly Tensor[], specs: TensorSpecs): void {
  const misfit = answerMisfit(outputs, [], specs)
  if (!misfit) return
  const isOurName = misfit.tensor === '' || specs.outputs.some(({ name }) => name === misfit.tensor)
  throw new NodeFailure(isOurName ? misfit.why : 'It gave an output that the model does not have.')
}

function requireKnown(outputs: readonly Tensor[], known: readonly Tensor[], tolerance: Tolerance): void {
  for (const expected of known) {
    const output = outputs.find(({ name }) => name === expected.name)
    const mismatch = output ? tensorMismatch(output, expected, tolerance) : 'is missing'
    if (mismatch !== null) throw new NodeFailure(`Output "${expected.name}" ${mismatch}.`)
  }
}
