// What the gateway has been told of the offers, beside what is so (rule): a node whose program learnt to say more, whose server is known only when it runs, or
// whose configuration was edited while it did not run, tells it anew by itself. A gateway of before knows less of it, and is told without.
import { SoukError } from '../protocol/client.ts'
import type { NodeView, OfferRequest } from '../protocol/node.ts'
import { fromUsd } from '../protocol/units.ts'

/**
 * All of what is offered, where the gateway knows something else of it; null: there is nothing to tell, or not everything that is offered is here just now.
 * @param node as the gateway sees it @param own what this node serves
 */
export function staleOffers({ offers }: Pick<NodeView, 'offers'>, own: readonly OfferRequest[]): OfferRequest[] | null {
  const offered = offers.filter(({ state }) => state !== 'paused')
  const pairs = offered.flatMap((told) => {
    const is = own.find(({ model }) => model === told.model)
    return is ? [{ told, is }] : []
  })
  // What is absent from a telling is paused.
  if (pairs.length < offered.length) return null
  return pairs.some(({ told, is }) => isStale(told, is)) ? pairs.map(({ is }) => is) : null
}

type Told = NodeView['offers'][number]

function isStale(told: Told, is: OfferRequest): boolean {
  if (!hasPrices(told.prices, is.prices) || told.concurrencyMax !== is.concurrencyMax) return true
  // A gateway of before does not say it, and refuses to hear it.
  if (told.parameters === undefined) return false
  const names = (list: readonly string[] | null | undefined) => (list ? [...list].sort().join() : null)
  return (
    names(told.parameters) !== names(is.parameters) ||
    (told.continues ?? false) !== (is.continues ?? false) ||
    (told.collectsData ?? null) !== (is.collectsData ?? null)
  )
}

/** Whether these are the prices that were asked for: an amount is the same however it is written, and what was left out has its default. */
export function hasPrices(shown: Told['prices'], asked: OfferRequest['prices']): boolean {
  const full = {
    ...{ cachedInputPerMillion: asked.inputPerMillion, bytesPerMillion: '0' },
    ...asked,
  }
  const fields = ['inputPerMillion', 'outputPerMillion', 'cachedInputPerMillion', 'bytesPerMillion', 'perCall'] as const
  return fields.every((field) => fromUsd(shown[field]) === fromUsd(full[field] ?? '0'))
}

/** Tells, and tells a gateway of before again without what it does not know: it refuses such a field by its name. @throws what the telling throws */
export async function toldAnyGateway<T>(
  offers: readonly OfferRequest[],
  tell: (offers: readonly OfferRequest[]) => Promise<T>,
): Promise<T> {
  try {
    return await tell(offers)
  } catch (cause) {
    const mayBeBefore = cause instanceof SoukError && cause.code === 'invalid_request'
    if (!mayBeBefore) throw cause
    return tell(offers.map(asBefore))
  }
}

const asBefore = ({ parameters: _p, continues: _c, collectsData: _d, ...offer }: OfferRequest): OfferRequest => offer
