// How a node is reached. Callers see one method; whether it goes over HTTPS or over the node's own WebSocket is this room's matter.
export interface NodeRequest {
  /** the node's registered endpoint, without a trailing slash */
  readonly endpoint: string
  /** e.g. /v1/chat/completions */
  readonly path: string
  /** the exact bytes whose sha256 stands in the ticket */
  readonly body: string | Uint8Array
  /** compact JWS; '' for a challenge, which orders no work */
  readonly ticket: string
  /** aborts the request and the answer's body, without draining */
  readonly signal: AbortSignal
}

export interface NodeLink {
  /** The node's answer, redirects not followed. @throws LinkRefused when the endpoint is not acceptable; TypeError/AbortError as fetch does */
  send(request: NodeRequest): Promise<Response>
}

/** The endpoint fails the address guard. Not a fault of the network: nothing was sent. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused'
}
