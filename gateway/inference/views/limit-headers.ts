// What a granted hold leaves of the rates, under OpenAI's own header names, which its clients and proxies read. Nothing is said of a rate
// that is not limited.
import type { Headroom, Rate } from '../../ledger/limits/limit-port.ts'

/** @example { 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '1s' } */
export function headroomHeaders({ requests, tokens }: Headroom): Record<string, string> {
  return { ...ofRate('requests', requests), ...ofRate('tokens', tokens) }
}

function ofRate(unit: 'requests' | 'tokens', rate: Rate | null): Record<string, string> {
  if (!rate) return {}
  return {
    [`x-ratelimit-limit-${unit}`]: String(rate.limit),
    [`x-ratelimit-remaining-${unit}`]: String(rate.remaining),
    [`x-ratelimit-reset-${unit}`]: duration(rate.resetMs),
  }
}

/** As OpenAI writes it. @example duration(90_500) // '1m30.5s', duration(7) // '7ms' */
export function duration(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${ms}ms`
  const minutes = Math.floor(ms / 60_000)
  return `${minutes > 0 ? `${minutes}m` : ''}${(ms % 60_000) / 1_000}s`
}
