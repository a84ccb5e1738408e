// GET /link: a node opens its link. Everything is checked here, against the registry, so that a stranger's upgrade touches no guard; then the node's guard gets the
// socket. To the middleware that asks who is signed in, a node with its key is nobody.
import { Hono, type Context } from 'hono'
import { LINK_PATH } from '../../../protocol/link.ts'
import { isNodeId } from '../../../protocol/units.ts'
import { negotiateWire, WIRE_HEADER, WIRE_VERSION } from '../../../protocol/wire.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import type { AppEnv } from '../../core/principal.ts'
import { regionOf } from '../../core/region.ts'
import { createRegionBook } from '../nodes/region-book.ts'
import { createLinkBook } from './link-book.ts'
import { checkLink, readLinkClaims } from './link-claims.ts'
import { LinkRefusal, LINK_URL, OFFER_HEADER, type LinkOffer } from './link-offer.ts'
import type { NodeGuards } from './node-guard.ts'

export interface LinkRoutesNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly clock: Clock
}

/** The first version of the wire that has links. */
const WIRE_FROM = 2
/** seconds a node waits when the registry cannot be asked */
const RETRY_SECONDS = 5

export function createLinkRoutes(needs: LinkRoutesNeeds) {
  const book = createLinkBook(needs.db)
  const regions = createRegionBook(needs.db)
  return new Hono<AppEnv>().get(LINK_PATH, async (c) => {
    const wireVersion = requireUpgrade(c)
    const read = readLinkClaims(c.req.header('authorization'), Math.floor(needs.clock() / 1_000))
    if (!read.ok) throw new GatewayError(read.code, { detail: read.detail })
    const { jws, claims } = read.value
    const { nodeId, instance, streamsMax } = claims
    if (!isNodeId(nodeId)) throw new GatewayError('authorization_refused', { detail: 'That is no id of a node.' })
    const node = await orUnavailable(book.find(nodeId))
    const checked = await checkLink(jws, node)
    if (!checked.ok) throw new GatewayError(checked.code, { detail: checked.detail })
    if (node) await orUnavailable(regions.note(node, regionOf(c.req.raw)))
    const isShown = node !== undefined && node.linkUpAt !== null
    return ask(needs.nodeGuards, { nodeId, instance, streamsMax, wireVersion, isShown })
  })
}

/** @returns the version of the wire that will be spoken */
function requireUpgrade(c: Context<AppEnv>): number {
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket')
    throw new GatewayError('invalid_request', { param: 'upgrade', detail: 'A link is a WebSocket.' })
  const agreed = negotiateWire(c.req.header(WIRE_HEADER))
  if (agreed === null || agreed < WIRE_FROM)
    throw new GatewayError('wire_version_unsupported', {
      param: WIRE_HEADER,
      detail: `A link speaks version ${WIRE_FROM} or later, and this gateway ${WIRE_VERSION - 1} and ${WIRE_VERSION}.`,
    })
  return agreed
}

async function ask(guards: NodeGuards, offer: LinkOffer & { nodeId: Parameters<NodeGuards>[0] }): Promise<Response> {
  const headers = { upgrade: 'websocket', [OFFER_HEADER]: JSON.stringify(offer) }
  const response = await orUnavailable(guards(offer.nodeId).fetch(LINK_URL, { headers }))
  const { webSocket } = response
  if (webSocket)
    return new Response(null, { status: 101, webSocket, headers: { [WIRE_HEADER]: String(offer.wireVersion) } })
  const { retryAfterSeconds } = LinkRefusal.parse(await response.json())
  throw new GatewayError('conflict', {
    retryAfterSeconds,
    detail:
      'Another process with this node key is linked: stop it first. If its machine is gone, its place is free within a minute.',
  })
}

async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new GatewayError('unavailable', { cause, retryAfterSeconds: RETRY_SECONDS })
  }
}
