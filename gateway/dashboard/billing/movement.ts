// A line of the journal in words. Pure.
import type { JournalEntry } from '../../../protocol/ledger.ts'
import { readLine, type JournalLine, type LineKind } from '../../../protocol/journal.ts'
import { toUsd } from '../../../protocol/units.ts'
import type { z } from 'zod'

export interface Movement {
  readonly seq: number
  readonly at: string | null
  readonly what: string
  /** dollars; negative: left the account */
  readonly amount: string
  readonly hash: string
}

const NAMES: Readonly<Record<LineKind, string>> = {
  call: 'Call',
  grant: 'Given by the house',
  code: 'Credit code',
  faucet: 'Credit for testing',
  topup: 'Paid in',
  audit: 'Paid for audits of your nodes',
  credit: 'Earned',
  refund: 'Refund',
  clawback: 'Taken back of earnings',
  chargeback: 'Taken back by your bank',
  withdrawal: 'Withdrawal',
  withdrawal_return: 'Withdrawal that came back',
  freeze: 'Account frozen',
  unfreeze: 'Account usable again',
  receipt: 'Receipt that came late',
}

export function movementOf({ seq, hash, body }: z.infer<typeof JournalEntry>): Movement {
  const read = readLine(body)
  if (!read.ok) return { seq, hash, at: null, what: 'A line that this page cannot read', amount: '0' }
  const { line } = read
  return { seq, hash, at: new Date(line.at).toISOString(), what: whatOf(line), amount: toUsd(line.deltaNanos) }
}

function whatOf({ kind, call, grant, note, correction }: JournalLine): string {
  if (call) return `${NAMES.call}, ${call.modelId}`
  const reason = (grant ?? note ?? correction)?.reason
  return reason ? `${NAMES[kind]}: ${reason}` : NAMES[kind]
}
