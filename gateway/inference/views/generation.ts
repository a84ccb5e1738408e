// What became of one call, for the account that made it: units, charge, attempts, the choice explained, the proof (protocol/generation.ts).
import { isCallId, toUsd, type CallId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import type { AccountPort, RecordedCall } from '../../ledger/account-port.ts'

/** @throws GatewayError call_not_found, also for what is no id at all */
export async function generationOf(account: Pick<AccountPort, 'call'>, id: string) {
  const call = isCallId(id) ? await account.call(id) : null
  if (!call || !isCallId(id)) throw new GatewayError('call_not_found', { param: 'id' })
  return { data: generationView(id, call) }
}

/** Amounts are decimal dollars, times ISO 8601. */
export function generationView(callId: CallId, call: RecordedCall) {
  const choices = choicesOf(call.detail?.choice)
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
    legs: call.legs.map(({ party, role, amountNanos, node, vestsAt }) => ({
      ...{ party, role, amount: toUsd(amountNanos) },
      ...(node && { node }),
      ...(vestsAt !== undefined && { vestsAt: new Date(vestsAt).toISOString() }),
    })),
    startedAt: new Date(call.startedAt).toISOString(),
    firstTokenAt: call.firstTokenAt === null ? null : new Date(call.firstTokenAt).toISOString(),
    endedAt: new Date(call.endedAt).toISOString(),
    // Retention: what explains and proves a call is kept for a time, what it cost is kept for ever.
    purged: call.detail === null,
    attempts: call.detail?.attempts ?? null,
    // What each of several nodes is paid for: those that delivered a part of the answer, or agreed on it.
    parts: call.detail?.parts ?? null,
    choice: choiceOf(choices, call.modelId),
    choices,
    receipt: call.detail?.receipt ?? null,
    ticket: call.detail?.ticket ?? null,
    salt: call.detail?.salt ?? null,
    claimed: call.detail?.claimed ?? null,
  }
}

/** Of each model that was to serve it. Calls from before there were fallback models have their one choice by itself. */
function choicesOf(choice: unknown): readonly unknown[] | null {
  if (choice === null || choice === undefined) return null
  return Array.isArray(choice) ? choice : [choice]
}

/** Of the model that answered, or was tried last; of calls that none did, that of the one asked for. */
const choiceOf = (choices: readonly unknown[] | null, modelId: string): unknown =>
  choices?.find((each) => typeof each === 'object' && each !== null && 'model' in each && each.model === modelId) ??
  choices?.[0] ??
  null
