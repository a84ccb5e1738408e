// How a node is reached. Callers see one method; whether it goes over HTTPS or over the node's own WebSocket is this room's matter.
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import type { NodeId } from '../../protocol/units.ts'

export interface NodeRequest {
  readonly nodeId: NodeId
  /** the node's registered endpoint, without a trailing slash; or LINK_ENDPOINT (protocol/link.ts) */
  readonly endpoint: string
  /** of the wire, as it was agreed when the endpoint was proved */
  readonly wireVersion: number
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
  /** The node's answer, redirects not followed. @throws LinkRefused when the endpoint is not acceptable; LinkGone; TypeError/AbortError as fetch does */
  send(request: NodeRequest): Promise<Response>
}

/** The endpoint fails the address guard. Not a fault of the network: nothing was sent. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused'
}

/** A node that is reached by its link is not there, or does not say at once whether it takes a call. Nothing was executed; another node may be asked. */
export class LinkGone extends Error {
  override readonly name = 'LinkGone'
  /** @param isLinked its link stands, and it says nothing on it */
  constructor(readonly isLinked: boolean) {
    super(isLinked ? 'It did not accept the call within a second.' : 'Its link is not there.')
  }
}

/** Each node by the way it registered. */
export const createNodeLink = (ways: { readonly direct: NodeLink; readonly socket: NodeLink }): NodeLink => ({
  send: (request) => (request.endpoint === LINK_ENDPOINT ? ways.socket : ways.direct).send(request),
})
