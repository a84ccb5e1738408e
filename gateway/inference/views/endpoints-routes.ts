// `GET /v1/models/{id}/endpoints`: who serves a model now, at which prices, and how well over the last five minutes, thirty, and the last day. For whoever asks, like
// the list of models: it is what a caller would find out by calling. Of the same snapshot that calls are chosen from, so it costs the database nothing more.
import { Hono, type Context } from 'hono'
import type { EndpointsReply, EndpointView } from '../../../protocol/endpoints.ts'
import { isModelId, type Instant } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import type { AppEnv } from '../../core/principal.ts'
import { readWindows } from '../../market/health/windows.ts'
import type { Offer } from '../../market/market-port.ts'
import { toPricesView } from '../../market/offers/price-range.ts'
import { backgroundOf, type InferenceNeeds } from '../call-route.ts'

type EndpointNeeds = Pick<InferenceNeeds, 'market' | 'clock'>

/** Mounted at /v1, before the routes of one model: of `a%2Fb/endpoints` they would read an author and a name. */
export function createEndpointsRoutes(needs: EndpointNeeds) {
  return (
    new Hono<AppEnv>()
      // The official clients escape the slash of a model id.
      .get('/models/:id{[^/]+%2[Ff][^/]+}/endpoints', (c) => endpointsOf(c, needs, c.req.param('id')))
      .get('/models/:author/:name/endpoints', (c) =>
        endpointsOf(c, needs, `${c.req.param('author')}/${c.req.param('name')}`),
      )
  )
}

async function endpointsOf(c: Context<AppEnv>, { market, clock }: EndpointNeeds, id: string) {
  const snapshot = isModelId(id) ? await market.snapshot(id, backgroundOf(c)) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model', detail: 'See GET /v1/models.' })
  const { model, offers } = snapshot
  const now = clock()
  const endpoints = offers.map((offer) => endpointView(offer, now))
  return c.json({
    data: { id: model.id, digest: model.digest, task: model.manifest.task, endpoints },
  } satisfies EndpointsReply)
}

export function endpointView(offer: Offer, now: Instant): EndpointView {
  const isDue = offer.breakerUntil !== null && offer.breakerUntil <= now
  return {
    node: offer.nodeId,
    name: offer.nodeName,
    operator: offer.operatorAccountId,
    region: offer.region,
    state: offer.nodeState,
    breaker: offer.breaker === 'open' && isDue ? 'half_open' : offer.breaker,
    prices: toPricesView(offer.price),
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    inFlight: offer.inFlight,
    assurance: offer.assurance,
    parameters: offer.parameters === null ? null : [...offer.parameters],
    continues: offer.continues,
    collectsData: offer.collectsData,
    success: offer.success,
    busyShare: offer.busyShare,
    trust: offer.toldTrust,
    windows: readWindows(offer.windows, now),
  }
}
