// What an ONNX graph says of itself: names, types and shapes of what goes in and comes out, and of one small run of it a probe: inputs of ones, and
// what came out. An author who knows better inputs writes them into the manifest instead.
import { env, InferenceSession } from 'onnxruntime-node'
import { elementsOf, OIP_LIMITS, type OipTensorJson, type TensorSpec } from '../../protocol/oip.ts'
import { readSignature, type Slot } from '../engines/onnx/runners/graph-signature.ts'
import { OperatorError } from '../operator-error.ts'

// As where models are served: the runtime's own lines would stand between the program's.
env.logLevel = 'fatal'

/** bytes all outputs of a call may have when nobody says: a picture, and not a film */
const OUTPUT_BYTES = 16 * 1024 * 1024

/** @param written probes of the manifest: they stay @throws OperatorError when the graph cannot be read, or cannot be asked in tensors */
export async function describeGraph(path: string, written: unknown): Promise<{ tensors: unknown; probes: unknown }> {
  try {
    const session = await InferenceSession.create(path, { logSeverityLevel: 4 })
    const { inputs, outputs } = readSignature(session, {})
    await session.release()
    const tensors = { inputs: inputs.map(specOf), outputs: outputs.map(specOf), outputBytesMax: OUTPUT_BYTES }
    // What comes out is put in when the graph has been run; until then there is an answer of nothing, which no model gives.
    return { tensors, probes: written ?? [{ inputs: inputs.map(onesFor), outputs: [NOTHING] }] }
  } catch (cause) {
    throw new OperatorError(
      `${path} cannot be described: ${cause instanceof Error ? cause.message.slice(0, 200) : 'unknown'}`,
    )
  }
}

/** The output of a probe that was not run yet. */
export const NOTHING = {
  name: 'to be recorded',
  datatype: 'BOOL',
  shape: [0],
  data: [],
} as const satisfies OipTensorJson

const specOf = ({ name, datatype, shape }: Slot): TensorSpec => ({
  name,
  datatype,
  shape: (shape ?? []).map((size) => (typeof size === 'number' ? size : -1)),
})

function onesFor(slot: Slot): OipTensorJson {
  const { name, datatype } = slot
  const shape = specOf(slot).shape.map((size) => (size < 0 ? 1 : size))
  const one = datatype === 'BYTES' ? 'one' : datatype === 'BOOL' ? true : 1
  const elements = elementsOf(shape)
  if (elements * 8 > OIP_LIMITS.bodyBytes) throw new Error(`its input ${name} is too large for a probe of ones`)
  return { name, datatype, shape, data: Array.from({ length: elements }, () => one) }
}
