// What every probe is, whatever its task: a body with the bounds of its ticket, a reader that knows the answer, and a receipt that must be signed
// by the node's key for exactly this ticket, this request and these outputs.
import { importPublicKey } from '../../../protocol/keys.ts'
import { verifyReceipt } from '../../../protocol/receipt.ts'
import type { Ticket } from '../../../protocol/ticket.ts'
import { NodeFailure } from './node-failure.ts'

/** A probe made ready. Its bounds are those a call's ticket would name: others would tell a node that it is probed. */
export interface ProbeCall {
  readonly path: string
  readonly body: string | Uint8Array
  readonly inputTokensMax: number
  readonly outputTokensMax: number
  /** absent: no tensors */
  readonly tensorBytesMax?: number
  /** as the receipt must have it */
  readonly requestHash: (salt: string) => string
  /** @throws NodeFailure unless the answer is the known one */
  readonly read: (response: Response, salt: string, signal: AbortSignal) => Promise<ProbeAnswer>
}

export interface ProbeAnswer {
  readonly receipt: string | null
  /** the hash of each output, in the order of the answer */
  readonly outputs: readonly string[]
  /** in and out, together */
  readonly tensorBytes: number
}

/** @throws NodeFailure with what is wrong about it */
export async function requireReceipt(
  answer: ProbeAnswer,
  nodeKey: string,
  ticket: Ticket,
  requestHash: string,
): Promise<void> {
  if (answer.receipt === null) throw new NodeFailure('It gave no receipt.')
  const verified = await verifyReceipt(answer.receipt, await importPublicKey(nodeKey))
  if (!verified.ok) throw new NodeFailure('Its receipt is not signed by the node key.')
  const receipt = verified.value
  const isForCall = receipt.jti === ticket.jti && receipt.callId === ticket.callId && receipt.attempt === ticket.attempt
  if (!isForCall || receipt.nodeKey !== nodeKey) throw new NodeFailure('Its receipt is for another ticket.')
  if (receipt.outcome !== 'complete') throw new NodeFailure('Its receipt says that it did not finish.')
  if (receipt.model !== ticket.model || receipt.modelDigest !== ticket.modelDigest)
    throw new NodeFailure('Its receipt names another model or digest.')
  if (receipt.request !== requestHash) throw new NodeFailure('Its receipt is for another request.')
  const { outputs } = answer
  const isSame = receipt.outputs.length === outputs.length && outputs.every((hash, i) => receipt.outputs[i] === hash)
  if (!isSame) throw new NodeFailure('Its receipt does not match what it sent.')
  if ((receipt.tensorBytes ?? 0) !== answer.tensorBytes)
    throw new NodeFailure('Its receipt counts other tensor bytes than were sent.')
}
