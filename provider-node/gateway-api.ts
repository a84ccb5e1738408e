// What a node may ask the gateway about itself, signed by its own key: no wallet and no session. Each request is signed for its method, path and
// body and is good for a minute. Refusals are SoukError; `gatewaySentence` makes of them, and of silence, what an operator reads.
import { z } from 'zod'
import { sha256Hex } from '../protocol/canonical.ts'
import { createClient, SoukError } from '../protocol/client.ts'
import { NodeView, type OfferRequest } from '../protocol/node.ts'
import {
  EarningsPage,
  NODE_REQUEST_SCHEME,
  NODE_REQUEST_TYP,
  NodeStatusView,
  SelftestReply,
  type NodeRequestClaims,
} from '../protocol/operator.ts'
import { signClaims } from '../protocol/ticket.ts'
import { stageOf } from './doctor/unreachable.ts'
import type { Identity } from './identity.ts'
import { NODE_LIMITS } from './limits.ts'
import { OperatorError } from './operator-error.ts'
import { toldAnyGateway } from './told-offers.ts'

export interface GatewayApiNeeds {
  /** address without a path */
  readonly gateway: string
  readonly identity: Pick<Identity, 'signingKey'>
  readonly nodeId: string
  /** ms since the Unix epoch */
  readonly now?: () => number
  readonly fetch?: typeof fetch
  readonly timeoutMs?: number
}

export interface EarningsQuery {
  /** ISO 8601 */
  readonly from?: string
  readonly to?: string
  readonly cursor?: string
}

/** Every method throws SoukError on a refusal, TypeError or TimeoutError when nobody answers. */
export interface GatewayApi {
  status(): Promise<NodeStatusView>
  /** All offers at once: what is absent is paused. */
  putOffers(offers: readonly OfferRequest[]): Promise<NodeView>
  drain(): Promise<NodeView>
  resume(): Promise<NodeView>
  /** @param model absent: every offered one */
  selftest(model?: string): Promise<SelftestReply>
  /** One page, newest first. */
  earnings(query?: EarningsQuery): Promise<EarningsPage>
}

export function createGatewayApi(needs: GatewayApiNeeds): GatewayApi {
  const { gateway: url, timeoutMs = NODE_LIMITS.gatewayMs } = needs
  const { send } = createClient({ url, timeoutMs, fetch: signing(needs) })
  const node = `/api/nodes/${encodeURIComponent(needs.nodeId)}`
  return {
    status: () => send('GET', `${node}/status`, NodeStatusView),
    putOffers: (offers) => toldAnyGateway(offers, (told) => send('PUT', `${node}/offers`, NodeView, { offers: told })),
    drain: () => send('POST', `${node}/drain`, NodeView, {}),
    resume: () => send('POST', `${node}/resume`, NodeView, {}),
    selftest: (model) => send('POST', `${node}/selftest`, SelftestReply, model === undefined ? {} : { model }),
    earnings(query = {}) {
      const given = Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      return send('GET', `${node}/earnings?${new URLSearchParams(given)}`, EarningsPage)
    },
  }
}

/** `fetch` that adds the signature of what is sent. */
function signing({ identity, nodeId, now = Date.now, fetch: send = fetch }: GatewayApiNeeds): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const claims: NodeRequestClaims = {
      use: 'souk-node-request',
      nodeId,
      method: Method.parse(init?.method),
      path: `${url.pathname}${url.search}`,
      bodySha256: sha256Hex(typeof init?.body === 'string' ? init.body : ''),
      iat: Math.floor(now() / 1_000),
    }
    const headers = new Headers(init?.headers)
    headers.set(
      'authorization',
      `${NODE_REQUEST_SCHEME} ${await signClaims(claims, identity.signingKey, { typ: NODE_REQUEST_TYP })}`,
    )
    return send(url, { ...init, headers })
  }
}

const Method = z.enum(['GET', 'POST', 'PUT'])

/** What went wrong between this program and the gateway as one sentence; anything else is a bug and stays as it is. */
export function gatewaySentence(cause: unknown, gateway: string): unknown {
  if (cause instanceof SoukError && cause.code === 'unreadable_reply')
    return new OperatorError(
      // What stands before a gateway has words of its own for trouble; with anything else it is another server.
      cause.status >= 500
        ? `the gateway ${gateway} is in trouble itself (${cause.message}): try again later`
        : `${gateway} does not answer like a Souk gateway (${cause.message}): is that its address?`,
    )
  if (cause instanceof SoukError) return new OperatorError(`the gateway refused: ${cause.message} (${cause.code})`)
  if (cause instanceof z.ZodError)
    return new OperatorError(
      `${gateway} answered something this program does not understand: if that is the gateway's address, update this program`,
    )
  return isSilence(cause) ? new OperatorError(`the gateway ${gateway} does not answer${whyOf(cause)}`) : cause
}

/** Nobody answered: no connection, or none in time. fetch throws a TypeError then, with what the system said as its cause; any other is a bug. */
export const isSilence = (cause: unknown): boolean =>
  (cause instanceof TypeError && (cause.cause instanceof Error || FETCH_SAYS.has(cause.message))) ||
  (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError'))

/** without a cause: before there is a connection, and in the middle of an answer */
const FETCH_SAYS: ReadonlySet<string> = new Set(['fetch failed', 'terminated'])

/** @example ' (ENOTFOUND)' */
function whyOf(cause: unknown): string {
  const { code } = stageOf(cause)
  return code === 'unknown' ? '' : ` (${code})`
}
