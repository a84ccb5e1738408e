// Whether a failure is one of many at the same moment (rule): when nodes of several operators, on several hosts, fail within seconds and hardly anybody answers,
// the cause is here or between here and all of them, and no node is blamed. Operators and hosts both count, since one of either is one cause: so that three
// nodes of one rack, or of one account, still fail for themselves.
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { AccountId, Instant, NodeId } from '../../../protocol/units.ts'
import type { Offer } from '../market-port.ts'

export const CORRELATED = {
  /** ms that failures may lie apart */
  windowMs: 5_000,
  /** different operators, and different hosts, that failed */
  sourcesMin: 3,
  /** share of the nodes that were heard of in that time */
  share: 0.8,
  /** ended attempts remembered: the newest */
  recentMax: 200,
} as const

/** How an attempt ended that says something of its node. */
export interface Ending {
  readonly at: Instant
  readonly nodeId: NodeId
  readonly operator: AccountId
  /** of its address; its own id where it has none, because it is reached by its link */
  readonly host: string
  readonly hasFailed: boolean
}

type Asked = Pick<Offer, 'nodeId' | 'operatorAccountId' | 'endpoint'>

export const endingOf = ({ nodeId, operatorAccountId, endpoint }: Asked, hasFailed: boolean, at: Instant): Ending => ({
  at,
  nodeId,
  operator: operatorAccountId,
  host: endpoint !== LINK_ENDPOINT && URL.canParse(endpoint) ? new URL(endpoint).host : nodeId,
  hasFailed,
})

/** The endings that still matter, with a new one. */
export function withEnding(recent: readonly Ending[], ending: Ending): readonly Ending[] {
  const since = ending.at - CORRELATED.windowMs
  return [...recent.filter(({ at }) => at > since && at <= ending.at), ending].slice(-CORRELATED.recentMax)
}

/** @param recent with the failure in question. Each node counts by how its last attempt ended: a busy one is no more evidence than a quiet one */
export function isCorrelated(recent: readonly Ending[]): boolean {
  const nodes = [...new Map(recent.map((ending) => [ending.nodeId, ending])).values()]
  const failed = nodes.filter(({ hasFailed }) => hasFailed)
  const operators = new Set(failed.map(({ operator }) => operator))
  const hosts = new Set(failed.map(({ host }) => host))
  const sources = Math.min(operators.size, hosts.size)
  return sources >= CORRELATED.sourcesMin && failed.length >= nodes.length * CORRELATED.share
}
