// Who may bring in a node, how many, and how many may stand behind one host name: a rule. A wallet costs nothing and every registration
// makes the gateway call somewhere, so newcomers are bounded before they have earned anything. Updates of a node that is there count nothing.
import type { Result } from '../../../protocol/errors.ts'
import type { Instant } from '../../../protocol/units.ts'
import type { NodeQuotas } from '../../core/limits.ts'

export const HOUR_MS = 3_600_000

/** Of the other nodes, this one left out. */
export interface NodeCounts {
  /** of this account, revoked ones left out */
  readonly owned: number
  /** of this account, made within the hour, and when the first of them was; null without any */
  readonly newInHour: number
  readonly firstOfHour: Instant | null
  readonly pending: number
  /** behind the same host name: proved, or this account's, or made within the hour. Who never proves cannot keep others out for long. */
  readonly atHost: number
  /** a suspended node of this operator, and why it is; null without one */
  readonly suspended: { readonly name: string; readonly reason: string | null } | null
}

export type EntryLimits = NodeQuotas & {
  /** nodes of an account */
  readonly owned: number
}

/** `new`: made now. `back`: was revoked. `moved`: to another host. */
export type Entry = 'new' | 'back' | 'moved'

type QuotaCode = 'forbidden' | 'conflict' | 'rate_limited' | 'endpoint_refused'
export type QuotaRefusal = Extract<Result<null, QuotaCode>, { ok: false }> & {
  readonly retryAfterMs?: number
}

/**
 * Null: it may come in.
 * @example quotaRefusal('new', { owned: 3, newInHour: 10, firstOfHour: 0, … }, limits, 60_000) // rate_limited, in 59 minutes
 */
export function quotaRefusal(entry: Entry, counts: NodeCounts, limits: EntryLimits, now: Instant): QuotaRefusal | null {
  if (counts.suspended && entry !== 'moved') return ejected(counts.suspended)
  if (counts.atHost >= limits.perHost)
    return refused('endpoint_refused', `At most ${limits.perHost} nodes stand behind one host name.`)
  if (entry === 'moved') return null
  if (counts.owned >= limits.owned)
    return refused('conflict', `An operator has at most ${limits.owned} nodes; revoke one that is not used any more.`)
  if (counts.pending >= limits.pending)
    return refused(
      'conflict',
      `${counts.pending} nodes of this account wait for their proof; start them, or revoke those that never come.`,
    )
  if (entry === 'new' && counts.newInHour >= limits.perHour) {
    const retryAfterMs = Math.max(1_000, (counts.firstOfHour ?? now) + HOUR_MS - now)
    const detail = `An account registers at most ${limits.perHour} new nodes in an hour.`
    return { ...refused('rate_limited', detail), retryAfterMs }
  }
  return null
}

/**
 * What every endpoint of this host begins with; what follows is nothing, a port or a path. Null: reached by its link.
 * @example hostPrefix('https://node.example.com:8443/souk') // 'https://node.example.com'
 */
export function hostPrefix(endpoint: string): string | null {
  if (!URL.canParse(endpoint)) return null
  const { protocol, hostname } = new URL(endpoint)
  return `${protocol}//${hostname}`
}

/** A new key is no new operator: what was stopped would go on under another name. */
function ejected({ name, reason }: { readonly name: string; readonly reason: string | null }): QuotaRefusal {
  const why = reason === null ? '' : ` (${reason.replace(/[.!?]$/, '')})`
  return refused(
    'forbidden',
    `The node "${name}" of this operator is suspended${why}: others come in when that is lifted.`,
  )
}

const refused = (code: QuotaRefusal['code'], detail: string): QuotaRefusal => ({ ok: false, code, detail })
