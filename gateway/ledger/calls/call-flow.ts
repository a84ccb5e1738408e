// What happens to a call's money inside the guard: set aside, reported, taken or given back. The decisions are rules (admit.ts, hold.ts);
// here they meet storage. Every function runs inside one transaction of the guard, and repeats are answered, not repeated.
import { parseLine } from '../../../protocol/journal.ts'
import { nanos, type CallId, type Instant, type KeyId, type Nanos } from '../../../protocol/units.ts'
import { assert, logError } from '../../core/errors.ts'
import type { CallEnd, Held, HoldRequest, Progress, RecordedCall, Refused, Reply } from '../account-port.ts'
import { countEnd } from './aborts.ts'
import { balanceOf, type AccountState } from '../guard/account-store.ts'
import { admit, checkKey, refused, type Standing } from './admit.ts'
import { addSpending } from '../limits/budget-period.ts'
import {
  expiredCall,
  judgeCapture,
  judgeProgress,
  judgeRepeatedHold,
  type EndedCall,
  type Hold,
  type HoldEnd,
} from './hold.ts'
import { tellOfBudget } from '../events/event-flow.ts'
import { beginCall, endCall } from '../idempotency/idempotency-flow.ts'
import { headroomOf, type Use } from '../limits/limit-use.ts'
import type { LimitSubject } from '../limits/limit-store.ts'
import { recordReceipt } from './record-flow.ts'
import { chargeOf } from './split.ts'
import { balanceAt, writeLine, type Stores } from '../guard/stores.ts'

export function hold(stores: Stores, request: HoldRequest, now: Instant): Reply<Held> {
  const account = stores.account.read()
  if (!account) return refused('invalid_api_key')
  if (request.amountNanos < 0n || request.tokensMax < 0n) return refused('invalid_request')
  const standing = standingOf(stores, account, request.keyId, now)
  const { key, keyUse, accountUse, balance } = standing
  const stranger = checkKey(key, request.secretHash, now)
  if (stranger || !keyUse) return stranger ?? refused('invalid_api_key')
  const headroom = headroomOf(keyUse, accountUse)
  const repeated = stores.holds.find(request.callId)
  if (repeated) {
    const code = judgeRepeatedHold(repeated, request)
    return code ? refused(code) : { ok: true, ...balance, headroom, earlier: null }
  }
  const begun = beginCall(stores, request, now)
  if (!begun.ok) return begun
  if (begun.earlier) return { ok: true, ...balance, headroom, earlier: begun.earlier }
  const admitted = admit(standing, request, now)
  if (!admitted.ok) return admitted
  begun.keep()
  if (admitted.aborts !== account.aborts) stores.account.setAborts(admitted.aborts)
  stores.holds.insert(request, now)
  const heldNanos = nanos(account.heldNanos + request.amountNanos)
  stores.account.setHeld(heldNanos)
  stores.limits.savePair(request.keyId, {
    key: withHold(admitted.keyUse, request.amountNanos),
    account: withHold(admitted.accountUse, request.amountNanos),
  })
  const held = balanceOf({ ...account, heldNanos }, balance.vestingNanos)
  return { ok: true, ...held, headroom: admitted.headroom, earlier: null }
}

export function progress(stores: Stores, report: Progress): { readonly open: boolean } {
  const hold = stores.holds.find(report.callId)
  if (!hold) return { open: false }
  const judged = judgeProgress(hold, report)
  if (judged === 'keep') stores.holds.saveProgress(report)
  if (judged === 'wrong') logError(new Error(`progress of ${report.callId} is above its hold`), null)
  return { open: judged !== 'closed' }
}

export function capture(
  stores: Stores,
  end: CallEnd,
  now: Instant,
): Reply<{ readonly chargeNanos: Nanos; readonly seq: number }> {
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
      const { kept, ...call } = end
      const seq = endHold(stores, account, hold, call, judged.chargeNanos, now)
      stores.account.setAborts(countEnd(account.aborts, end, now))
      // What came while the call was open completes it now, unless its answer brought a receipt of its own.
      if (hold.receipt && end.receiptHash === null) recordReceipt(stores, hold.receipt, now)
      endCall(stores, hold, { outcome: end.outcome, chargeNanos: judged.chargeNanos, kept }, now)
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
  const call = expiredCall(hold, account.id, now)
  const charge = chargeOf(call.legs, account.id)
  assert(charge.ok, 'only chargeable progress is kept')
  endHold(stores, account, hold, call, charge.value, now)
  endCall(stores, hold, { outcome: 'expired', chargeNanos: charge.value, kept: null }, now)
}

/** An ended call as its line and its hold say; null for an open or unknown one. */
export function recordedCall(stores: Stores, callId: CallId): RecordedCall | null {
  const chained = stores.lines.find(callId)
  const ended = stores.holds.ended(callId)
  if (!chained || !ended) return null
  const { call, legs } = parseLine(chained.body)
  return call ? { ...call, ...ended, callId, legs } : null
}

/** All that a hold of this key is judged by. */
function standingOf(stores: Stores, account: AccountState, keyId: KeyId, now: Instant): Standing {
  const limits = stores.limits.pair(keyId)
  return {
    key: stores.keys.find(keyId),
    keyUse: limits.key,
    accountUse: limits.account,
    balance: balanceAt(stores, account, now),
    frozen: account.frozen,
    aborts: account.aborts,
    deniesCollection: account.policy.dataCollection === 'deny',
  }
}

const withHold = (use: Use, amount: Nanos): Use => ({
  ...use,
  heldNanos: nanos(use.heldNanos + amount),
  openHolds: use.openHolds + 1,
})

function endHold(
  stores: Stores,
  account: AccountState,
  hold: Hold,
  call: EndedCall,
  chargeNanos: HoldEnd['chargeNanos'],
  now: Instant,
): number {
  const heldNanos = nanos(account.heldNanos - hold.amountNanos)
  const { key, account: all } = stores.limits.pair(hold.keyId)
  stores.limits.savePair(hold.keyId, {
    key: key && spend(stores, hold.keyId, key, hold, chargeNanos, now),
    account: spend(stores, 'account', all, hold, chargeNanos, now),
  })
  const { seq } = writeLine(
    stores,
    { ...account, heldNanos },
    {
      at: now,
      kind: 'call',
      transferId: hold.callId,
      legs: [...call.legs],
      call: {
        keyId: hold.keyId,
        modelId: call.modelId ?? hold.modelId,
        nodeId: call.nodeId,
        inputTokens: call.inputTokens,
        outputTokens: call.outputTokens,
        tensorBytes: call.tensorBytes,
        holdNanos: hold.amountNanos,
        outcome: call.outcome,
        errorCode: call.errorCode,
        receiptHash: call.receiptHash,
        ticketHash: call.ticketHash,
        priceVersion: call.priceVersion,
        ...(call.parts && { parts: [...call.parts] }),
      },
    },
  )
  const state = call.outcome === 'expired' ? 'expired' : 'captured'
  stores.holds.end(call, { state, outcome: call.outcome, chargeNanos, seq })
  return seq
}

/** A call's end, in what counts against a limit: its hold is off, its charge is on. */
function spend(stores: Stores, subject: LimitSubject, use: Use, hold: Hold, charge: Nanos, now: Instant): Use {
  tellOfBudget(stores, subject, use, charge, now)
  return {
    ...use,
    ...addSpending(use, charge, now),
    heldNanos: nanos(use.heldNanos - hold.amountNanos),
    openHolds: use.openHolds - 1,
  }
}

/** A hold that ran out is nobody's mistake; everything else here is a bug of the gateway, and the log has to say so. */
function refuseCapture(code: Refused['code'], why: string): Refused {
  if (code !== 'call_expired') logError(new Error(why), null)
  return refused(code)
}
