// Who is asked when several are asked at once (rule): nodes of one model, of different operators as long as there are any, since two nodes of one
// operator agree on whatever it likes. Those that repeat an answer by its seed come first where that decides whether honest nodes can agree.
import type { ProviderPreferences } from '../../../protocol/routing.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Wishes } from '../../market/choose/wishes.ts'
import type { Offer } from '../../market/market-port.ts'
import type { Candidate } from '../order/order.ts'
import { agreeOf } from './agreement.ts'

/** How many are asked, and how many must say the same. */
export interface Bench {
  readonly n: number
  readonly agree: number
  /** how many may be asked instead of nodes that fail */
  readonly spare: number
  /** node or account ids: nobody else is asked; null: anybody */
  readonly named: ReadonlySet<string> | null
}

/**
 * Null without a quorum: one node answers. `allow_fallbacks: false` means of such a call that one node is asked, or those of `order`: here, that
 * nobody is asked instead of a node that failed, and nobody beside those of `order`.
 */
export function benchOf(preferences: ProviderPreferences | null | undefined): Bench | null {
  const quorum = preferences?.quorum
  if (!quorum) return null
  const { order, allow_fallbacks: mayFallBack = true } = preferences
  return {
    n: quorum.n,
    agree: agreeOf(quorum),
    spare: mayFallBack ? LIMITS.attemptsMax - 1 : 0,
    named: !mayFallBack && order ? new Set(order) : null,
  }
}

/** Ranked offers among which n different operators are found wherever they are: the others can fill so many places. */
export const depthFor = ({ n }: Pick<Bench, 'n'>): number => LIMITS.nodesPerOperator * n

/** For the ranking of a quorum, of which several are needed; its bench knows what else the caller said. */
export const wishesOfBench = (wishes: Wishes): Wishes => ({ ...wishes, mayFallBack: true })

export type Jurors =
  { readonly ok: true; readonly candidates: readonly Candidate[] } | { readonly ok: false; readonly fitting: number }

/**
 * Of the first model that has n of them; those who may be asked instead come behind.
 * @param ranked candidates of the model asked for, then of its fallbacks, each model's in the order of its ranking
 * @param isDrawn whether an answer is drawn, so that only its seed repeats it
 * @returns `fitting`: how many the model asked for has, when no model has enough
 */
export function jurorsOf(ranked: readonly Candidate[], { n, spare, named }: Bench, isDrawn: boolean): Jurors {
  const isNamed = ({ nodeId, operatorAccountId }: Offer) => named?.has(nodeId) || named?.has(operatorAccountId)
  const fitting = named ? ranked.filter(({ offer }) => isNamed(offer)) : ranked
  const models = [...new Set(ranked.map(({ model }) => model.id))]
  const pools = models.map((id) => fitting.filter(({ model }) => model.id === id))
  const pool = pools.find(({ length }) => length >= n)
  if (!pool) return { ok: false, fitting: pools[0]?.length ?? 0 }
  const bySeed = isDrawn ? partition(pool, ({ offer }) => offer.parameters?.has('seed') ?? false) : pool
  return { ok: true, candidates: ofDifferentOperators(bySeed).slice(0, n + spare) }
}

/** One of each operator first, in the order of their best. */
function ofDifferentOperators(pool: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>()
  return partition(pool, ({ offer: { operatorAccountId } }) => {
    const isFirst = !seen.has(operatorAccountId)
    seen.add(operatorAccountId)
    return isFirst
  })
}

/** Those of which it is so, then the others, each in their order. */
function partition(all: readonly Candidate[], isFirst: (candidate: Candidate) => boolean): Candidate[] {
  const marked = all.map((candidate) => ({ candidate, first: isFirst(candidate) }))
  return [...marked.filter(({ first }) => first), ...marked.filter(({ first }) => !first)].map((m) => m.candidate)
}
