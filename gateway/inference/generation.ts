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
    stream: call.detail?.stream ?? null,
    usage: {
      prompt_tokens: Number(call.inputTokens),
      completion_tokens: Number(call.outputTokens),
      total_tokens: Number(call.inputTokens + call.outputTokens),
      ...(call.tensorBytes && { tensor_bytes: Number(call.tensorBytes) }),
      cost: toUsd(call.chargeNanos),
    },
    hold: toUsd(call.holdNanos),
    legs: call.legs.map(({ party, role, amountNanos }) => ({ party, role, amount: toUsd(amountNanos) })),
    startedAt: new Date(call.startedAt).toISOString(),
    firstTokenAt: call.firstTokenAt === null ? null : new Date(call.firstTokenAt).toISOString(),
    endedAt: new Date(call.endedAt).toISOString(),
    // Retention: what explains and proves a call is kept for a time, what it cost is kept for ever.
    purged: call.detail === null,
    attempts: call.detail?.attempts ?? null,
    // What each of several nodes is paid for: those that delivered a part of the answer, or agreed on it.
    parts: call.detail?.parts ?? null,
    choice: choicesOf(call.detail?.choice ?? null),
    receipt: call.detail?.receipt ?? null,
    salt: call.detail?.salt ?? null,
  }
}

/** One for each model that was to serve it. Calls from before there were fallback models have their one choice by itself. */
const choicesOf = (choice: unknown): unknown => (choice === null || Array.isArray(choice) ? choice : [choice])
