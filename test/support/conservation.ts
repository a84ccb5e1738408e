// What must hold of the money of a market, whatever was killed in between: every transfer sums to zero, no call is charged twice, and everybody has what
// the lines say and not a nano else. It looks into the book, so it waits until what the guards wrote has reached it.
import { expect } from 'vitest'
import { z } from 'zod'
import type { Market } from './market.ts'

const Rows = z.array(z.object({ party: z.string(), role: z.string(), nanos: z.string() }))

/** @returns nanos by party and role, those who pay below zero */
export async function conserved(market: Pick<Market, 'query'>): Promise<Map<string, bigint>> {
  const unbalanced = await market.query(
    'BOOK_0',
    'SELECT account_id, seq FROM legs GROUP BY account_id, seq HAVING sum(amount_nanos) <> 0',
  )
  expect(unbalanced).toEqual([])
  const twice = await market.query(
    'BOOK_0',
    "SELECT transfer_id FROM lines WHERE kind = 'call' GROUP BY transfer_id HAVING count(*) > 1",
  )
  expect(twice).toEqual([])
  const sums = await market.query(
    'BOOK_0',
    `SELECT party, role, CAST(sum(amount_nanos) AS TEXT) AS nanos FROM legs
     WHERE transfer_id IN (SELECT transfer_id FROM lines WHERE kind = 'call') GROUP BY party, role`,
  )
  return new Map(Rows.parse(sums).map(({ party, role, nanos }) => [`${role} ${party}`, BigInt(nanos)]))
}

/** @param role payer | operator | author | house */
export const sumOf = (sums: ReadonlyMap<string, bigint>, role: string): bigint =>
  [...sums].reduce((sum, [name, nanos]) => (name.startsWith(`${role} `) ? sum + nanos : sum), 0n)
