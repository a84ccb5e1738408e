// What an operator does with a node that is registered, and the node by its own key: look at it, change its offers, try it, take it out of traffic and
// put it back. Its endpoint, its name, its key and its operator change only by a wallet's signature, elsewhere. Who asks about another's node is told that it
// is not there. Also, for everybody, what a model costs. Mounted at /api.
import { Hono, type Context } from 'hono'
import { OffersRequest, SelftestRequest, type SanctionsReply } from '../../../protocol/operator.ts'
import { isModelId, isNodeId, type AccountId, type NodeId } from '../../../protocol/units.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { readJson } from '../../core/json-body.ts'
import { OPERATOR, SNAPSHOT } from '../../core/limits.ts'
import { unawaited } from '../../core/parameters.ts'
import { requireNodeKeeper, type KeyInspector } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { regionOf } from '../../core/region.ts'
import { takes } from '../../core/validate.ts'
import { earnedState, REASON } from '../admission/admission.ts'
import { createNodeBook } from './node-book.ts'
import type { NodeGuards, Paced } from '../guard/node-guard.ts'
import { toNodeView } from './node-view.ts'
import { createRegionBook } from './region-book.ts'
import { createOfferBook, type OfferedNode } from '../offers/offer-book.ts'
import { requireOffers, toOfferRow } from '../offers/offers.ts'
import { priceRange } from '../offers/price-range.ts'
import { reviewNode } from '../admission/review.ts'
import { createSanctionBook } from './sanction-book.ts'
import { toSanctionView } from './sanction-view.ts'
import { selftest, type SelftestNeeds } from './selftest.ts'
import { statusOf, type StatusNeeds } from './status-view.ts'

export interface OperatorRoutesNeeds
  extends SelftestNeeds, Omit<StatusNeeds, 'frozen' | 'suspension' | 'served' | 'ticketsRefused'> {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly accounts: (accountId: AccountId) => KeyInspector & { frozen(): Promise<{ readonly reason: string } | null> }
}

export function createOperatorRoutes(needs: OperatorRoutesNeeds) {
  const { accounts, nodeGuards, market, clock } = needs
  const book = createNodeBook(needs.db)
  const offerBook = createOfferBook(needs.db)
  const regions = createRegionBook(needs.db)
  const sanctions = createSanctionBook(needs.db)
  const statusNeeds: StatusNeeds = {
    ...needs,
    frozen: async (id) => (await accounts(id).frozen())?.reason ?? null,
    suspension: async (id) => {
      const row = await sanctions.suspension(id)
      return row && toSanctionView(row)
    },
    served: (id) => nodeGuards(id).servedAttempts(),
    ticketsRefused: (id) => nodeGuards(id).ticketsRefused(),
  }

  const look = async (id: NodeId): Promise<OfferedNode> => {
    const found = await offerBook.look(id)
    if (!found) throw new GatewayError('not_found')
    return found
  }
  /** Who asks is settled before anything is read. @param forAdmins an admin may as well */
  const findOwn = async (c: Context<AppEnv>, { forAdmins = true } = {}): Promise<OfferedNode & { id: NodeId }> => {
    const text = c.req.param('id') ?? ''
    const keeper = await requireNodeKeeper(c, accounts, text)
    if (!isNodeId(text)) throw new GatewayError('not_found')
    const found = await look(text)
    const isAllowed = found.node.operatorAccountId === keeper.accountId || (forAdmins && keeper.isAdmin)
    if (!isAllowed) throw new GatewayError('not_found')
    return { ...found, id: text }
  }
  const inPace = async (id: NodeId, what: Paced, apartMs: number): Promise<void> => {
    const waitMs = await nodeGuards(id).pace(what, apartMs)
    if (waitMs > 0) throw new GatewayError('rate_limited', { retryAfterSeconds: Math.ceil(waitMs / 1_000) })
  }
  const enough = async () => (await needs.parameters?.now(unawaited))?.probationCalls
  const view = async (id: NodeId) => toNodeView(await look(id), clock())
  const review = (id: NodeId, proveAgain: boolean) => reviewNode({ ...needs, book }, id, { proveAgain })

  const prices = async (c: Context<AppEnv>, model: string) => {
    const background = (work: Promise<unknown>) => c.executionCtx.waitUntil(work)
    const snapshot = isModelId(model) ? await market.snapshot(model, background) : null
    if (!snapshot) throw new GatewayError('model_not_found')
    const range = priceRange(
      model,
      snapshot.offers.map(({ price }) => price),
    )
    return c.json(range, 200, { 'cache-control': `public, max-age=${SNAPSHOT.freshMs / 1_000}` })
  }

  return (
    new Hono<AppEnv>()
      .get('/models/:author/:name/prices', (c) => prices(c, `${c.req.param('author')}/${c.req.param('name')}`))
      // Clients may escape the slash of a model id.
      .get('/models/:id{[^/]+%2[Ff][^/]+}/prices', (c) => prices(c, c.req.param('id')))
      .get('/nodes/:id/status', async (c) => {
        const record = await findOwn(c)
        return c.json(await statusOf(statusNeeds, record, (work) => c.executionCtx.waitUntil(work)))
      })
      .get('/nodes/:id/sanctions', async (c) => {
        const { id } = await findOwn(c)
        return c.json({ data: (await sanctions.list(id)).map(toSanctionView) } satisfies SanctionsReply)
      })
      .put('/nodes/:id/offers', takes(OffersRequest), async (c) => {
        const { id, node } = await findOwn(c, { forAdmins: false })
        if (node.state === 'revoked')
          throw new GatewayError('conflict', { detail: 'This node is revoked: register it again.' })
        const { offers, seen } = await readJson(c.req.raw, OffersRequest)
        const isSeen = async () => seen === undefined || (await view(id)).offersTag === seen
        if (!(await isSeen())) throw new GatewayError('changed_meanwhile')
        await inPace(id, 'offers', OPERATOR.offersApartMs)
        // Whoever was in front has written by now, and nobody else gets past the pace until this is written.
        if (!(await isSeen())) throw new GatewayError('changed_meanwhile')
        await requireOffers(book, offers)
        if (c.var.principal?.kind === 'node') await regions.note(node, regionOf(c.req.raw))
        const now = clock()
        const made = offers.map((offer) => toOfferRow(id, offer, false, now))
        await offerBook.put(id, made, now)
        const { requestId } = c.var
        c.executionCtx.waitUntil(review(id, false).catch((error: unknown) => logError(error, requestId)))
        return c.json(await view(id))
      })
      .post('/nodes/:id/selftest', takes(SelftestRequest), async (c) => {
        const { id } = await findOwn(c)
        const { model } = await readJson(c.req.raw, SelftestRequest)
        await inPace(id, 'selftest', OPERATOR.selftestApartMs)
        const record = await book.find(id)
        if (!record) throw new GatewayError('not_found')
        return c.json(await selftest(needs, record, model))
      })
      .post('/nodes/:id/drain', async (c) => {
        const { id } = await findOwn(c)
        const isMoved = await offerBook.moveNode(id, DRAINABLE, 'draining', REASON.draining)
        if (!isMoved) throw new GatewayError('conflict', { detail: `This node is ${(await look(id)).node.state}.` })
        return c.json(await view(id))
      })
      .post('/nodes/:id/resume', async (c) => {
        const { id, node, offers } = await findOwn(c)
        const isReady = node.provedAt !== null && offers.some(({ offer }) => offer.state === 'live')
        if (!isReady && node.state === 'draining') await inPace(id, 'resume', OPERATOR.resumeApartMs)
        // Its guard still knows what it has served: draining costs no standing.
        const earned = isReady ? earnedState(await nodeGuards(id).servedAttempts(), await enough()) : null
        const [to, reason] = earned ? ([earned, null] as const) : (['pending', REASON.unproved] as const)
        const isMoved = await offerBook.moveNode(id, ['draining'], to, reason)
        if (!isMoved) throw new GatewayError('conflict', { detail: 'This node is not draining.' })
        if (!isReady) await review(id, true)
        return c.json(await view(id))
      })
  )
}

/** Again while it drains: it goes on draining. What an audit or its operator's wallet stopped is not for a key to touch. */
const DRAINABLE = ['pending', 'probation', 'active', 'draining'] as const
