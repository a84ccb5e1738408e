// What an answer that is none means for a call and for the operator, whatever the protocol (rule). The caller gets a code and a sentence of ours: a
// server's own words can quote what was sent.
import { EngineRefusal } from '../engine.ts'
import type { Health } from './health.ts'
import { UpstreamFault } from './http.ts'

export interface Verdict {
  readonly refusal: EngineRefusal
  /** what the operator must mend; null: nothing */
  readonly mend: { readonly event: string; readonly hint: string } | null
}

export interface Facts {
  /** the header's text */
  readonly retryAfter: string | null
  /** ms since the Unix epoch */
  readonly now: number
  /** s that a server may send callers away for */
  readonly secondsMax: number
}

/** Of a status that says the same in every protocol; null: the protocol's own rule decides. */
export function commonVerdict(status: number, { retryAfter, now, secondsMax }: Facts): Verdict | null {
  if (status === 429 || status === 503) {
    const retryAfterSeconds = Math.min(secondsMax, retrySeconds(retryAfter, now))
    return only(new EngineRefusal('busy', 'The server behind this model has no room now.', { retryAfterSeconds }))
  }
  if (status >= 300 && status < 400) return { refusal: failed(`status ${status}`), mend: REDIRECTS }
  const mend = MEND[status]
  if (mend) return { refusal: failed(`status ${status}`), mend }
  return status >= 400 && status < 500 ? null : only(failed(`status ${status}`))
}

export const only = (refusal: EngineRefusal): Verdict => ({ refusal, mend: null })

/** A failure of the server. @param cause for the operator: a name of ours */
export const failed = (cause: string): EngineRefusal =>
  new EngineRefusal('internal', 'The server behind this model failed.', { cause })

export const left = (): EngineRefusal => new EngineRefusal('internal', 'The caller left.')

const REDIRECTS = { event: 'upstream_redirects', hint: 'put the address it redirects to into upstream.url' }
const MEND: Readonly<Record<number, Verdict['mend']>> = {
  401: { event: 'upstream_refuses_key', hint: 'upstream.apiKeyEnv names no variable with a key it takes' },
  403: { event: 'upstream_refuses_key', hint: 'its key may not use this model' },
  404: { event: 'upstream_lacks_model', hint: 'upstream.model is not there, or upstream.url is not its base' },
  405: { event: 'upstream_lacks_path', hint: 'upstream.url is not the base of such a server' },
}

/** Seconds, or a date (RFC 9110, 10.2.3). Nothing, or nonsense: 1. */
function retrySeconds(header: string | null, now: number): number {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Math.max(1, Number(text))
  // Other texts than dates of HTTP mean a date to some parsers.
  const seconds = / GMT$/.test(text) ? Math.ceil((Date.parse(text) - now) / 1_000) : NaN
  return Number.isNaN(seconds) ? 1 : Math.max(1, seconds)
}

/** @returns the refusal, when the operator was told what to mend */
export function tell({ refusal, mend }: Verdict, health: Health): EngineRefusal {
  if (mend) health.warnOnce(mend.event, { hint: mend.hint })
  return refusal
}

/** Whatever went wrong with a server, as a refusal; a server that is not there is noted as such. */
export function refusalOf(cause: unknown, health: Health): EngineRefusal {
  if (cause instanceof EngineRefusal) return cause
  if (!(cause instanceof UpstreamFault)) return failed(cause instanceof Error ? cause.name : 'unknown')
  if (cause.kind === 'unreachable') health.down(cause.detail)
  if (cause.kind === 'garbage' || cause.kind === 'too_large')
    health.warnOnce('upstream_talks_nonsense', { what: cause.detail })
  return failed(cause.message)
}
