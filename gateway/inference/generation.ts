// `GET /v1/generation?id=`: what became of one call, for the account that made it: units, charge, attempts, the choice explained, the proof.
import { toUsd, type CallId } from '../../protocol/units.ts'
import type { RecordedCall } from '../ledger/account-port.ts'

/** Amounts are decimal dollars, times ISO 8601. */
export function generationView(callId: CallId, call: RecordedCall) {
  return {
    id: callId,
    model: call.modelId,
    keyId: call.keyId,
    provider: call.nodeId,
    outcome: call.outcome,
    errorCode: call.errorCode,
    stream: call.detail.stream,
    usage: {
      prompt_tokens: Number(call.inputTokens),
      completion_tokens: Number(call.outputTokens),
      total_tokens: Number(call.inputTokens + call.outputTokens),
      cost: toUsd(call.chargeNanos),
    },
    hold: toUsd(call.holdNanos),
    legs: call.legs.map(({ party, role, amountNanos }) => ({ party, role, amount: toUsd(amountNanos) })),
    startedAt: new Date(call.startedAt).toISOString(),
    firstTokenAt: call.firstTokenAt === null ? null : new Date(call.firstTokenAt).toISOString(),
    endedAt: new Date(call.endedAt).toISOString(),
    attempts: call.detail.attempts,
    choice: call.detail.choice,
    receipt: call.detail.receipt,
    salt: call.detail.salt,
  }
}
