// What the gateway may ask of a node, and nothing more: work on a ticket, a proof of the endpoint, health and numbers. Everything that is
// refused is refused as `{ error: { code, message } }`; a prompt appears in no error, no log and no metric.
import { Hono, type Context, type Next } from 'hono'
import { challengeClaims, ChallengeRequest, NODE_PATHS, PROOF_TYP } from '../protocol/node.ts'
import { negotiateWire, WIRE_HEADER, WIRE_VERSION } from '../protocol/wire.ts'
import { signClaims } from '../protocol/ticket.ts'
import { BodyTooLarge, parseJson, readBody } from './body.ts'
import type { Call } from './call.ts'
import { tellRefusal } from './call-log.ts'
import type { Caller } from './caller.ts'
import { createChatRoute } from './chat-route.ts'
import { createCompletionsRoute } from './completions-route.ts'
import { createEmbeddingsRoute } from './embeddings-route.ts'
import { createInferRoute } from './infer-route.ts'
import { EngineRefusal } from './engines/engine.ts'
import { createOipRoutes } from './oip-routes.ts'
import type { Identity } from './identity.ts'
import type { Log } from './log.ts'
import type { NodeMetrics, ServedModel } from './node-metrics.ts'
import type { Receipts } from './receipts/issue.ts'
import { NodeRefusal, REFUSAL_STATUS } from './refusal.ts'
import type { TicketCheck } from './ticket-check.ts'

/** `call`: the order that was accepted, so that its refusal can be told with its model */
export type NodeEnv = { Bindings: { caller: Caller }; Variables: { call?: Call<unknown> } }

export type NodeApp = Hono<NodeEnv>

export interface ServerNeeds {
  readonly identity: Identity
  /** as it is registered: an address, or LINK_ENDPOINT */
  readonly endpoint: string
  /** read at each request: models come and go while the node runs */
  readonly models: () => readonly ServedModel[]
  /** what `/healthz` says of each model, also of those that come or go */
  readonly health: () => readonly object[]
  readonly tickets: TicketCheck
  /** whether an `authorization` is that of the operator's own programs */
  readonly isOwner: (authorization: string | undefined) => boolean
  readonly receipts: Receipts
  readonly metrics: NodeMetrics
  readonly isDraining: () => boolean
  /** aborts every call when draining has taken too long */
  readonly stopNow: AbortSignal
  /** ms */
  readonly now: () => number
  readonly log: Log
}

/** bytes of a challenge: two short strings */
const CHALLENGE_BYTES = 8_192

export function createServer(needs: ServerNeeds): NodeApp {
  const { identity, models, metrics, isDraining, log } = needs
  const app = new Hono<NodeEnv>()

  app.use(async (c, next) => {
    c.header(WIRE_HEADER, String(WIRE_VERSION))
    await next()
  })

  const status = () =>
    isDraining() ? 'draining' : models().every(({ engine }) => engine.isRunning()) ? 'ok' : 'failed'
  app.get('/healthz', (c) =>
    c.json(
      {
        status: status(),
        nodeKey: identity.nodeKey,
        models: needs.health(),
      },
      status() === 'ok' ? 200 : 503,
    ),
  )

  app.get('/metrics', (c) =>
    c.text(metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  )

  // Signing for another endpoint would let a stranger register this node's key under an address of theirs.
  app.post('/souk/challenge', async (c) => {
    const parsed = ChallengeRequest.safeParse(parseJson(await readBody(c.req.raw, CHALLENGE_BYTES)))
    if (!parsed.success) throw new NodeRefusal('bad_request', 'This is no challenge.')
    if (withoutSlash(parsed.data.endpoint) !== needs.endpoint)
      throw new NodeRefusal('bad_request', 'This node does not answer for that endpoint.')
    return c.json({
      proof: await signClaims(challengeClaims(parsed.data), identity.signingKey, { typ: PROOF_TYP.challenge }),
    })
  })

  const work = async (c: Context<NodeEnv>, next: Next) => {
    if (isDraining()) throw new NodeRefusal('draining', 'This node is stopping.')
    if (negotiateWire(c.req.header(WIRE_HEADER)) === null)
      throw new NodeRefusal('bad_request', `This node speaks version ${WIRE_VERSION} of the wire.`)
    await next()
  }
  app.use('/v1/*', work)
  app.use(NODE_PATHS.infer, work)
  app.post(NODE_PATHS.chat, createChatRoute(needs))
  app.post(NODE_PATHS.completions, createCompletionsRoute(needs))
  app.post(NODE_PATHS.embeddings, createEmbeddingsRoute(needs))
  app.post(NODE_PATHS.infer, createInferRoute(needs))
  app.route('/v2', createOipRoutes(needs))
  // What a program that speaks to OpenAI's servers asks first.
  app.get('/v1/models', (c) => {
    if (!needs.isOwner(c.req.header('authorization')))
      throw new NodeRefusal('bad_ticket', "This needs the operator's own token.")
    const data = models().map(({ manifest }) => ({
      id: manifest.id,
      object: 'model',
      created: 0,
      owned_by: 'souk-node',
    }))
    return c.json({ object: 'list', data })
  })

  app.notFound((c) => c.json({ error: { code: 'bad_request', message: 'There is nothing here.' } }, 404))

  app.onError((error, c) => {
    const refusal = asRefusal(error)
    tellRefusal(needs, c.get('call'), refusal.code, needs.now())
    if (refusal.code === 'internal') log('error', 'call_failed', { cause: error.name, path: c.req.routePath })
    const isTooLarge = error instanceof BodyTooLarge
    if (refusal.code === 'busy') c.header('retry-after', String(refusal.retryAfterSeconds))
    const isOip = c.req.path.startsWith('/v2') && c.req.path !== NODE_PATHS.infer
    const body = { error: isOip ? refusal.message : { code: refusal.code, message: refusal.message } }
    return c.json(body, isTooLarge ? 413 : REFUSAL_STATUS[refusal.code])
  })
  return app
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

function asRefusal(error: Error): NodeRefusal {
  if (error instanceof NodeRefusal) return error
  if (error instanceof EngineRefusal)
    return new NodeRefusal(error.code, error.message, error.options?.retryAfterSeconds)
  return new NodeRefusal('internal', 'Something went wrong in this node.')
}
