// Limits as they are asked for, for a key or for the whole account, as the guard keeps them. What is absent is unlimited.
import type { AccountLimitsRequest } from '../../protocol/auth.ts'
import { fromUsd } from '../../protocol/units.ts'
import type { Limits } from '../ledger/limits/limit-port.ts'

export function toLimits({ limit, rateLimit }: AccountLimitsRequest): Limits {
  return {
    limit: limit ? { nanos: fromUsd(limit.usd), period: limit.period, shadow: limit.shadow } : null,
    rpm: rateLimit?.rpm ?? null,
    tpm: rateLimit?.tpm ?? null,
    concurrency: rateLimit?.concurrency ?? null,
    ratesShadow: rateLimit?.shadow ?? false,
  }
}
