// A changed configuration reaches the gateway by itself: the node's own key says what is offered now. What could not be told is one warning that says what
// to do; the gateway goes on asking for what it was told last.
import { setTimeout as wait } from 'node:timers/promises'
import { SoukError } from '../protocol/client.ts'
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
  /** for tests; absent: timers */
  readonly wait?: (ms: number) => Promise<unknown>
}

/** ms until it is tried again when the gateway has just been told */
const AGAIN_MS = 3_000

/** Never rejects. */
export async function tellOffers(needs: TellOffersNeeds, offers: readonly OfferRequest[]): Promise<void> {
  const { gateway, identity, now, log } = needs
  const untold = (reason: string, what: string) => log('warn', 'offers_not_told', { reason, do: what })
  const nodeId = await needs.nodeId().catch(() => null)
  if (nodeId === null) return untold('the node is not registered', 'souk-node register')
  if (offers.length === 0) return untold('no model is left to offer', 'souk-node models add, or souk-node drain')
  const fetched = needs.fetch === undefined ? {} : { fetch: needs.fetch }
  const api = createGatewayApi({ gateway, identity, nodeId, now, ...fetched })
  const pause = needs.wait ?? wait
  try {
    // The command that changed the file has just told it as well, and the gateway hears a node only so often.
    await api.putOffers(offers).catch(async (cause: unknown) => {
      if (!(cause instanceof SoukError && cause.code === 'rate_limited')) throw cause
      await pause(AGAIN_MS)
      await api.putOffers(offers)
    })
    log('info', 'offers_told', { models: offers.map(({ model }) => model).join(', ') })
  } catch (cause) {
    const sentence = gatewaySentence(cause, gateway)
    untold(sentence instanceof Error ? sentence.message : 'unknown', 'souk-node register, when that is mended')
  }
}
