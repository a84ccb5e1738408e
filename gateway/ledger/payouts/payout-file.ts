// A pay-out file as text: a rule over its rows, so that the same rows are the same bytes for ever. JSON for programs, CSV (RFC 4180) for whoever
// pays by hand.
import { csvOf } from '../../../protocol/csv.ts'
import type { PayoutFile } from '../../../protocol/money.ts'
import { nanos, toUsd, type Nanos } from '../../../protocol/units.ts'

export interface PayoutRow {
  /** of the withdrawal */
  readonly id: string
  readonly address: string
  readonly amountNanos: Nanos
}

/** @param rows in any order: they stand in the file by id */
export function payoutFile(batchId: string, rows: readonly PayoutRow[]): PayoutFile {
  const sorted = [...rows].sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    batchId,
    rows: sorted.map(({ id, address, amountNanos }) => ({ id, address, usd: toUsd(amountNanos) })),
    usd: toUsd(sumOf(rows)),
  }
}

export const sumOf = (rows: readonly Pick<PayoutRow, 'amountNanos'>[]): Nanos =>
  nanos(rows.reduce((sum, { amountNanos }) => sum + amountNanos, 0n))

export const payoutJson = (file: PayoutFile): string => `${JSON.stringify(file, null, 2)}\n`

/** @example "batch,id,address,usd\r\npo_1,a:withdrawal:1,0x…,1.500000000\r\npo_1,total,,1.500000000\r\n" */
export function payoutCsv({ batchId, rows, usd }: PayoutFile): string {
  return csvOf(
    ['batch', 'id', 'address', 'usd'],
    [...rows.map((row) => [batchId, row.id, row.address, row.usd]), [batchId, 'total', '', usd]],
  )
}
