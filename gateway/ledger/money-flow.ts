// Money that goes back or out: refunds, money taken back, withdrawals, audits paid. Each names what it corrects, each id moves once, and an
// account never falls below what it holds.
import type { Instant } from '../../protocol/units.ts'
import { refused } from './admit.ts'
import type { Stores } from './stores.ts'
import type {
  AuditPay,
  Moved,
  RefundRequest,
  ReturnRequest,
  TakeBackRequest,
  TransferPort,
  WithdrawRequest,
} from './transfer-port.ts'

type TakenBack = Awaited<ReturnType<TransferPort['takeBack']>>

export function refund(_: Stores, __: RefundRequest, ___: Instant): Moved {
  return refused('unavailable')
}
export function takeBack(_: Stores, __: TakeBackRequest, ___: Instant): TakenBack {
  return refused('unavailable')
}
export function withdraw(_: Stores, __: WithdrawRequest, ___: Instant): Moved {
  return refused('unavailable')
}
export function returnWithdrawal(_: Stores, __: ReturnRequest, ___: Instant): Moved {
  return refused('unavailable')
}
export function payAudit(_: Stores, __: AuditPay, ___: Instant): Moved {
  return refused('unavailable')
}
