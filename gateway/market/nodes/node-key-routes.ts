// `/api/nodes/{id}/rotate` and `/revoke`: what an operator does about a node's keys, by its wallet and never by the node's key or by a managing one.
// `/api/node-keys/{key}` is public: a node that was registered elsewhere (on a page, by another machine) finds its id by its key.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { Ed25519Key } from '../../../protocol/node.ts'
import { RotateRequest, type NodeKeyView } from '../../../protocol/operator.ts'
import { instant, isNodeId, type NodeId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { SIGN_IN } from '../../core/limits.ts'
import { requireSession, type AppEnv, type SessionPrincipal } from '../../core/principal.ts'
import { jsonBody } from '../../core/validate.ts'
import type { NodeRecord } from './node-book.ts'
import { toNodeView } from './node-view.ts'
import { dropLink, rotateKeys, type KeyNeeds } from './rotate.ts'

export function createNodeKeyRoutes(needs: KeyNeeds) {
  const { book, clock } = needs

  /** Another's node is not there. An admin suspends; keys are the operator's own affair. */
  const findOwn = async (id: string, { accountId }: SessionPrincipal): Promise<NodeRecord & { id: NodeId }> => {
    const record = isNodeId(id) ? await book.find(id) : null
    if (!record || !isNodeId(id) || record.node.operatorAccountId !== accountId) throw new GatewayError('not_found')
    return { ...record, id }
  }
  const viewOf = async (id: NodeId) => {
    const record = await book.find(id)
    if (!record) throw new GatewayError('not_found')
    return toNodeView(record, clock())
  }
  const requireFresh = (c: Context<AppEnv>): SessionPrincipal => {
    const principal = requireSession(c)
    if (clock() - principal.signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
    return principal
  }

  return new Hono<AppEnv>()
    .get('/node-keys/:key', async (c) => {
      const key = Ed25519Key.safeParse(c.req.param('key'))
      const known = key.success ? await book.keys.find(key.data) : null
      if (!known) throw new GatewayError('not_found', { detail: 'No node has or had this key.' })
      const { nodeId, state, untilAt } = known
      const replacedAt = untilAt === null ? null : new Date(instant(untilAt)).toISOString()
      return c.json({ nodeId, state, replacedAt } satisfies NodeKeyView)
    })
    .post('/nodes/:id/rotate', signedIn, jsonBody(RotateRequest), async (c) => {
      const who = requireSession(c)
      const { id, node } = await findOwn(c.req.param('id'), who)
      await rotateKeys(needs, node, c.req.valid('json'), who)
      return c.json(await viewOf(id))
    })
    .post('/nodes/:id/revoke', async (c) => {
      const { id, node } = await findOwn(c.req.param('id'), requireFresh(c))
      if (!(await book.revoke(id)))
        throw new GatewayError('conflict', {
          detail: 'This node is suspended and gets no calls; exchange its key if it is in wrong hands.',
        })
      await dropLink(needs, node, 'Its operator took its authorisation back.')
      return c.json(await viewOf(id))
    })
}

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}
