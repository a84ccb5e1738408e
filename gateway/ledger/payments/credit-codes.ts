// Single-use credit codes in the registry. The claim is one conditional UPDATE, so of many redeemers one wins; the money then moves by a
// transfer with the code's own id, so a crash in between is repaired when the same account redeems again.
import { and, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { creditCodes } from '../../../db/schema.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import type { Result } from '../../../protocol/errors.ts'
import {
  base32,
  fromSqlInteger,
  nanos,
  toSqlInteger,
  type AccountId,
  type Instant,
  type Nanos,
  type RandomBytes,
} from '../../../protocol/units.ts'

export interface ClaimedCode {
  readonly codeHash: string
  readonly amountNanos: Nanos
  readonly reason: string
}

export interface NewCode {
  readonly amountNanos: Nanos
  readonly reason: string
  readonly createdBy: AccountId
  readonly createdAt: Instant
  readonly expiresAt: Instant
}

/** 160 bits: nobody finds one by trying. */
const CODE_BYTES = 20

export type CreditCodes = ReturnType<typeof createCreditCodes>

export function createCreditCodes(d1: D1Database, random: RandomBytes) {
  const db = drizzle(d1)
  return {
    /** @returns the code itself, which is stored nowhere */
    async make({ amountNanos, ...code }: NewCode): Promise<string> {
      const secret = `credit-${base32(random(CODE_BYTES))}`
      await db
        .insert(creditCodes)
        .values({ ...code, codeHash: sha256Hex(secret), amountNanos: toSqlInteger(amountNanos) })
      return secret
    },

    /** Claims it for this account, for ever; the same account may claim it again. */
    async claim(code: string, accountId: AccountId, now: Instant): Promise<Result<ClaimedCode>> {
      const codeHash = sha256Hex(code.trim())
      const isFree = and(isNull(creditCodes.redeemedBy), gt(creditCodes.expiresAt, now))
      const [claimed] = await db
        .update(creditCodes)
        .set({ redeemedBy: accountId, redeemedAt: sql`coalesce(${creditCodes.redeemedAt}, ${now})` })
        .where(and(eq(creditCodes.codeHash, codeHash), or(isFree, eq(creditCodes.redeemedBy, accountId))))
        .returning({ amountNanos: creditCodes.amountNanos, reason: creditCodes.reason })
      if (claimed) {
        const { reason } = claimed
        return { ok: true, value: { codeHash, reason, amountNanos: nanos(fromSqlInteger(claimed.amountNanos)) } }
      }
      const [known] = await db.select().from(creditCodes).where(eq(creditCodes.codeHash, codeHash))
      if (!known) return { ok: false, code: 'not_found', detail: 'There is no such code.' }
      if (known.redeemedBy === null) return { ok: false, code: 'not_found', detail: 'The code has expired.' }
      return { ok: false, code: 'code_used' }
    },
  }
}
