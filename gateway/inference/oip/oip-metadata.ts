// What the Open Inference Protocol says of a model before anybody calls it (metadata_model_response). Models of words are told too, with neither
// inputs nor outputs, which its schema allows: they take no tensors, and `properties` says what they are.
import type { TensorSpec } from '../../../protocol/oip.ts'
import type { Model } from '../../market/market-port.ts'
import { VERSION } from './tensors.ts'

export interface OipMetadata {
  readonly name: string
  readonly versions: readonly string[]
  /** of the protocol's list where the files are such; informative, as it says */
  readonly platform: string
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly properties: Readonly<Record<string, string>>
}

export function oipMetadata({ id, digest, manifest, state, reason, replacedBy }: Model): OipMetadata {
  const isOnnx = Object.keys(manifest.files).some((file) => file.endsWith('.onnx'))
  return {
    name: id,
    versions: [VERSION, digest],
    platform: isOnnx ? 'onnx_onnxv1' : 'souk_declared',
    inputs: manifest.tensors?.inputs ?? [],
    outputs: manifest.tensors?.outputs ?? [],
    properties: {
      task: manifest.task,
      digest,
      licence: manifest.licence,
      ...(state === 'active' ? {} : { state }),
      ...(reason === null ? {} : { state_reason: reason }),
      ...(replacedBy === null ? {} : { replaced_by: replacedBy }),
      ...(manifest.tensors ? { output_bytes_max: String(manifest.tensors.outputBytesMax) } : {}),
    },
  }
}
