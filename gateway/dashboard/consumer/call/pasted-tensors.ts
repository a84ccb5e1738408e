// Tensors as their caller pastes them (pure): a request or an answer of the Open Inference Protocol in JSON, as the bytes that their node hashes.
import { utf8ToBytes } from '../../../../protocol/canonical.ts'
import { readInferBody } from '../../../../protocol/oip-binary.ts'
import { encodeRequest } from '../../../../protocol/oip-canonical.ts'
import { readInferAnswer } from '../../../../protocol/oip-client.ts'

/** @returns the one form in which such a request reaches a node; null: it is no request of tensors */
export function tensorRequestOf(pasted: string, model: string): Uint8Array | null {
  const read = readInferBody(utf8ToBytes(pasted), null, model)
  return read.ok ? encodeRequest(read.value.request) : null
}

/** @returns the bytes of each output, in their order; null: it is no answer of tensors */
export function tensorOutputsOf(pasted: string): readonly Uint8Array[] | null {
  const read = readInferAnswer(utf8ToBytes(pasted), null)
  return read.ok ? read.value.outputs.map(({ data }) => data) : null
}
