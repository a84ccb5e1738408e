// A changed configuration reaches the gateway by itself: the node's own key says what is offered now. What could not be told is one warning that says what
// to do; the gateway goes on asking for what it was told last.
import type { OfferRequest } from '../protocol/node.ts'
import { createGatewayApi, gatewaySentence } from './gateway-api.ts'
import type { Identity } from './identity.ts'
import type { Log } from './log.ts'

export interface TellOffersNeeds {
  readonly gateway: string
  readonly identity: Pick<Identity, 'signingKey'>
  /** null until the node is registered */
  readonly nodeId: () => Promise<string | null>
  readonly now: () => number
  readonly log: Log
  readonly fetch?: typeof fetch
}

/** Never rejects. */
export async function tellOffers(needs: TellOffersNeeds, offers: readonly OfferRequest[]): Promise<void> {
  const { gateway, identity, now, log } = needs
  const untold = (reason: string, what: string) => log('warn', 'offers_not_told', { reason, do: what })
  const nodeId = await needs.nodeId().catch(() => null)
  if (nodeId === null) return untold('the node is not registered', 'souk-node register')
  if (offers.length === 0) return untold('no model is left to offer', 'souk-node models add, or souk-node drain')
  const fetched = needs.fetch === undefined ? {} : { fetch: needs.fetch }
  try {
    await createGatewayApi({ gateway, identity, nodeId, now, ...fetched }).putOffers(offers)
    log('info', 'offers_told', { models: offers.map(({ model }) => model).join(', ') })
  } catch (cause) {
    const sentence = gatewaySentence(cause, gateway)
    untold(sentence instanceof Error ? sentence.message : 'unknown', 'souk-node register, when that is mended')
  }
}
