// Refusals as the gateway reads them: `{ error: { code, message } }`. The code decides whether it asks another node; the sentence is for people.
import type { NodeErrorCode } from '../protocol/node.ts'

export const REFUSAL_STATUS = {
  bad_ticket: 401,
  bad_request: 400,
  context_length_exceeded: 400,
  content_filter: 400,
  unsupported_parameter: 400,
  model_not_loaded: 404,
  busy: 429,
  draining: 503,
  internal: 500,
} as const satisfies Record<NodeErrorCode, number>

export class NodeRefusal extends Error {
  override readonly name = 'NodeRefusal'
  /** @param message a fixed sentence, at most 512 characters, that quotes nothing of the request */
  constructor(
    readonly code: NodeErrorCode,
    message: string,
    /** of `busy` */
    readonly retryAfterSeconds = 1,
  ) {
    super(message)
  }
}
