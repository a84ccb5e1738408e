// Paying for audits (flow): each operator gets one sum for each day that is over. A payment beside every audit would tell its node, a moment later, which of its calls was one, and
// under which name it came; a day's sum tells neither. The id is of operator and day, so a payment that is repeated is made once; the guard of the operator's account caps it.
import { instant, type AccountId, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import { DAY_MS, type AuditPayBook, type Owed } from './audit-day-book.ts'

/** The ledger's payment, handed in. @returns what moved: at most what the fees of this operator's other calls leave */
export type PayAudit = (
  operator: AccountId,
  pay: { readonly transferId: string; readonly amountNanos: Nanos; readonly reason: string },
) => Promise<{ readonly ok: true; readonly movedNanos: Nanos } | { readonly ok: false; readonly code: string }>

export interface AuditPayNeeds {
  readonly book: AuditPayBook
  readonly payAudit: PayAudit
  readonly clock: Clock
}

/** ms after its end in which a day may still get audits: they count where they began, and one that ends late would find its day paid */
const LATE_MS = 1_800_000
/** payments in one minute */
const PAYMENTS_MAX = 20

export async function payAudits({ book, payAudit, clock }: AuditPayNeeds): Promise<void> {
  const unpaid = await book.unpaid(startOfDay(instant(clock() - LATE_MS)), PAYMENTS_MAX)
  for (const owed of unpaid) {
    try {
      const paid = await payAudit(owed.operator, {
        transferId: transferIdOf(owed),
        amountNanos: owed.owedNanos,
        reason: `audits of ${dayOf(owed.day)}`,
      })
      if (paid.ok) await book.paid(owed, paid.movedNanos)
      else logError(new Error(`audits were not paid: ${paid.code}`), null)
    } catch (error) {
      // Tried again in a minute, under the same id.
      logError(error, null)
    }
  }
}

export const startOfDay = (now: Instant): Instant => instant(Math.floor(now / DAY_MS) * DAY_MS)

/** @example dayOf(20_454) // '2026-01-01' */
export const dayOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10)

const transferIdOf = ({ day, operator }: Owed): string => `audits:${dayOf(day)}:${operator}`
