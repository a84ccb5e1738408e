// What happens to a call's money inside the guard: set aside, reported, taken or given back. The decisions are rules (admit.ts, hold.ts);
// here they meet storage. Every function runs inside one transaction of the guard, and repeats are answered, not repeated.
import { nanos, type CallId, type Instant } from '../../protocol/units.ts'
import { assert, logError } from '../core/errors.ts'
import type { Balance, CallEnd, HoldRequest, Progress, RecordedCall, Refused, Reply } from './account-port.ts'
import { balanceOf, type AccountState } from './account-store.ts'
import { admit, checkKey, periodOf, refused } from './admit.ts'
import { addSpending } from './budget-period.ts'
import {
  expiredCall,
  judgeCapture,
  judgeProgress,
  judgeRepeatedHold,
  type EndedCall,
  type Hold,
  type HoldEnd,
} from './hold.ts'
import { parseLine } from './journal.ts'
import { chargeOf } from './split.ts'
import { writeLine, type Stores } from './stores.ts'

export function hold(stores: Stores, request: HoldRequest, now: Instant): Reply<Balance> {
  const account = stores.account.read()
  if (!account) return refused('invalid_api_key')
  if (request.amountNanos < 0n || request.tokensMax < 0n) return refused('invalid_request')
  const key = stores.keys.find(request.keyId)
  const earlier = stores.holds.find(request.callId)
  if (earlier) {
    const code = checkKey(key, request.secretHash, now)?.code ?? judgeRepeatedHold(earlier, request)
    return code ? refused(code) : { ok: true, ...balanceOf(account) }
  }
  const admitted = admit(key, request, balanceOf(account), now)
  if (!admitted.ok) return admitted
  if (key === null) return refused('invalid_api_key')
  const heldNanos = nanos(account.heldNanos + request.amountNanos)
  stores.holds.insert(request, now)
  stores.account.setHeld(heldNanos)
  stores.keys.saveUse({
    ...key,
    heldNanos: nanos(key.heldNanos + request.amountNanos),
    openHolds: key.openHolds + 1,
    levels: admitted.levels,
  })
  return { ok: true, ...balanceOf({ ...account, heldNanos }) }
}

export function progress(stores: Stores, report: Progress): { readonly open: boolean } {
  const account = stores.account.read()
  const hold = stores.holds.find(report.callId)
  if (!account || !hold) return { open: false }
  const judged = judgeProgress(hold, report, account.id)
  if (judged === 'keep') stores.holds.saveProgress(report)
  if (judged === 'wrong') logError(new Error(`progress of ${report.callId} is above its hold or no charge`), null)
  return { open: judged !== 'closed' }
}

export function capture(
  stores: Stores,
  end: CallEnd,
  now: Instant,
): Reply<{ readonly chargeNanos: HoldEnd['chargeNanos']; readonly seq: number }> {
  const account = stores.account.read()
  const hold = stores.holds.find(end.callId)
  if (!account || !hold) return refused('call_not_found')
  const judged = judgeCapture(hold, end, account.id)
  switch (judged.do) {
    case 'repeat':
      return { ok: true, chargeNanos: judged.chargeNanos, seq: judged.seq }
    case 'refuse':
      return refuseCapture(judged.code, `capture of ${end.callId}: ${judged.why}`)
    case 'write': {
      const seq = endHold(stores, account, hold, end, judged.chargeNanos, now)
      return { ok: true, chargeNanos: judged.chargeNanos, seq }
    }
    default:
      return judged satisfies never
  }
}

/** Ends a hold that ran out: charged is what the last progress said, or nothing. */
export function expire(stores: Stores, callId: CallId, now: Instant): void {
  const account = stores.account.read()
  const hold = stores.holds.find(callId)
  if (!account || !hold || hold.end) return
  const call = expiredCall(hold, now)
  const charge = chargeOf(call.legs, account.id)
  assert(charge.ok, 'only chargeable progress is kept')
  endHold(stores, account, hold, call, charge.value, now)
}

/** An ended call as its line and its hold say; null for an open or unknown one. */
export function recordedCall(stores: Stores, callId: CallId): RecordedCall | null {
  const chained = stores.lines.find(callId)
  const ended = stores.holds.ended(callId)
  if (!chained || !ended) return null
  const { call, legs } = parseLine(chained.body)
  return call ? { ...call, ...ended, callId, legs } : null
}

function endHold(
  stores: Stores,
  account: AccountState,
  hold: Hold,
  call: EndedCall,
  chargeNanos: HoldEnd['chargeNanos'],
  now: Instant,
): number {
  const heldNanos = nanos(account.heldNanos - hold.amountNanos)
  stores.account.setHeld(heldNanos)
  const key = stores.keys.find(hold.keyId)
  if (key)
    stores.keys.saveUse({
      ...key,
      ...addSpending(periodOf(key), key, chargeNanos, now),
      heldNanos: nanos(key.heldNanos - hold.amountNanos),
      openHolds: key.openHolds - 1,
    })
  const { seq } = writeLine(
    stores,
    { ...account, heldNanos },
    {
      at: now,
      kind: 'call',
      transferId: hold.callId,
      legs: call.legs,
      call: {
        keyId: hold.keyId,
        modelId: hold.modelId,
        nodeId: call.nodeId,
        inputTokens: call.inputTokens,
        outputTokens: call.outputTokens,
        holdNanos: hold.amountNanos,
        outcome: call.outcome,
        errorCode: call.errorCode,
        receiptHash: call.receiptHash,
      },
    },
  )
  const state = call.outcome === 'expired' ? 'expired' : 'captured'
  stores.holds.end(call, { state, outcome: call.outcome, chargeNanos, seq })
  return seq
}

/** A hold that ran out is nobody's mistake; everything else here is a bug of the gateway, and the log has to say so. */
function refuseCapture(code: Refused['code'], why: string): Refused {
  if (code !== 'call_expired') logError(new Error(why), null)
  return refused(code)
}
