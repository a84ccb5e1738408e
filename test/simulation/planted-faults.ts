// Bugs that would cost somebody money, each planted by changing a line of the ledger when it is loaded, so that the proofs can be seen to bite:
// the simulator or the model must find every one of them. A line that is not found exactly once fails the test: it has moved, and so must this.
export interface PlantedFault {
  readonly name: string
  /** the likelier finder; the other one is asked when it finds nothing */
  readonly by: 'simulator' | 'model'
  readonly edits: readonly Edit[]
}

export interface Edit {
  /** under gateway/ledger/ */
  readonly file: string
  readonly from: string
  readonly to: string
}

const edit = (file: string, from: string, to: string): Edit => ({ file, from, to })
const simulator = (name: string, ...edits: Edit[]): PlantedFault => ({ name, by: 'simulator', edits })
const model = (name: string, ...edits: Edit[]): PlantedFault => ({ name, by: 'model', edits })

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  simulator(
    'the payee forgets up to where it was credited',
    edit('guard/transfer-flow.ts', 'if (toSeq <= mark) return { ok: true }', ''),
    edit('guard/transfer-flow.ts', 'fromSeq <= mark || fromSeq > toSeq', 'fromSeq > toSeq'),
    edit(
      'guard/transfer-flow.ts',
      'transferId: `credit:${payer}:${fromSeq}-${toSeq}`',
      'transferId: `credit:${payer}:${now}:${account.seq}`',
    ),
  ),
  simulator(
    'a credit sent again is refused',
    edit('guard/transfer-flow.ts', 'if (toSeq <= mark) return { ok: true }', ''),
  ),
  simulator(
    'a credit is sent before it is frozen',
    edit('guard/outbox.ts', 'stores.credits.freeze(now)', ''),
    edit('guard/credit-store.ts', "WHERE state = 'sending' AND next_at <= ? ORDER BY", 'WHERE next_at <= ? ORDER BY'),
  ),
  simulator(
    'a batch overtakes the one before it',
    edit('guard/credit-store.ts', "WHERE state = 'sending' AND next_at <= ? ORDER BY", 'WHERE next_at <= ? ORDER BY'),
  ),
  simulator(
    'what an account earns by its own call arrives a second time',
    edit('guard/stores.ts', 'earning.payee !== account.id && ', ''),
  ),
  simulator(
    'the rollups count lines that they have',
    edit(
      'book/book.ts',
      'WHERE value ->> 0 > coalesce((SELECT seq FROM cursors WHERE account_id = ?2), 0)',
      'WHERE true',
    ),
  ),
  simulator(
    'the totals count lines that they have',
    edit(
      'metering/totals-sql.ts',
      'AS house_nanos\n    FROM json_each(?1) WHERE value ->> 0 > coalesce((SELECT seq FROM cursors WHERE account_id = ?2), 0)',
      'AS house_nanos\n    FROM json_each(?1) WHERE true',
    ),
  ),
  simulator(
    'the book takes lines after a gap',
    edit('book/book.ts', 'WHERE account_id = ?1), 0) + 1 < ?2', 'WHERE account_id = ?1), 0) + 1 < 0'),
  ),
  simulator(
    'a book that has a line refuses it, and nobody asks where it stands',
    edit('book/book.ts', 'ON CONFLICT (account_id, seq) DO NOTHING', ''),
    edit(
      'guard/outbox.ts',
      'tries === 0 ? projection.seq : Math.min(projection.seq, await within(LEDGER.bookMs, book.cursor(accountId)))',
      'projection.seq',
    ),
  ),
  simulator(
    'a hold is given back twice',
    edit(
      'calls/call-flow.ts',
      'nanos(account.heldNanos - hold.amountNanos)',
      'nanos(account.heldNanos - 2n * hold.amountNanos)',
    ),
  ),
  simulator(
    'an ended hold still counts against its key',
    edit('calls/call-flow.ts', 'openHolds: use.openHolds - 1', 'openHolds: use.openHolds'),
  ),
  simulator(
    'methods are no transactions',
    edit(
      'guard/account.ts',
      'return this.storage.transactionSync(() => work(this.#stores, this.needs.clock()))',
      'return work(this.#stores, this.needs.clock())',
    ),
  ),
  simulator('nobody sets the alarm again', edit('guard/account.ts', '      await this.arm()\n', '')),
  simulator(
    'the alarm is set for tomorrow',
    edit('guard/account.ts', 'Math.max(next, notBefore ?? 0)', 'Math.max(next, notBefore ?? 0) + 86_400_000'),
  ),
  simulator(
    'an event is forgotten before it is told',
    edit('guard/outbox.ts', 'await within(LEDGER.bookMs, events(account.id, event))', ''),
  ),
  simulator(
    'lines are not chained',
    edit('guard/stores.ts', 'account.seq + 1, account.lastHash)', "account.seq + 1, '0'.repeat(64))"),
  ),
  simulator(
    'a hold that runs out costs a token more than was reported',
    edit(
      'calls/hold.ts',
      'partsOf(progress, lesser(progress, receipt))',
      'partsOf(progress, { ...lesser(progress, receipt), outputTokens: progress.outputTokens + 1n })',
    ),
  ),
  simulator(
    'the fee is rounded up',
    edit(
      'calls/split.ts',
      'const fee = mulDown(chargeNanos, BigInt(feeBps), BPS_WHOLE)',
      'const fee = (chargeNanos * BigInt(feeBps) + BPS_WHOLE - 1n) / BPS_WHOLE',
    ),
  ),
  model(
    'a budget does not count what is held',
    edit('limits/limit-use.ts', 'use.limit.nanos - spentNanos - use.heldNanos', 'use.limit.nanos - spentNanos'),
  ),
  simulator(
    'an Idempotency-Key that was answered begins again',
    edit(
      'idempotency/repeat.ts',
      'if (status !== null) return { ok: true, earlier: { callId, status, kept } }',
      'if (status !== null) return { ok: true, earlier: null }',
    ),
  ),
  simulator(
    'a call that ran out leaves its Idempotency-Key under way',
    edit(
      'calls/call-flow.ts',
      "endCall(stores, hold, { outcome: 'expired', chargeNanos: charge.value, kept: null }, now)",
      '',
    ),
  ),
  simulator(
    'a captured call is captured again',
    edit('calls/hold.ts', 'if (hold.end) {', 'if (hold.end && hold.end.seq < 0) {'),
  ),
  simulator(
    'refunds pass the charge',
    edit('guard/money-flow.ts', 'if (amount > left || amount <= 0n)', 'if (amount <= 0n)'),
  ),
  simulator(
    'what is taken back may pass what there is',
    edit('guard/money-flow.ts', 'nanos(wanted < free ? wanted : free)', 'nanos(wanted)'),
  ),
  model(
    'a withdrawal comes back twice',
    edit('guard/money-flow.ts', 'if (stores.refunds.of(withdrawal) > 0n)', 'if (stores.refunds.of(withdrawal) < 0n)'),
  ),
  simulator(
    'audits pay more than an operator brought',
    edit('guard/money-flow.ts', 'cap < amountNanos ? cap : amountNanos', 'amountNanos'),
  ),
  model(
    'the balance is not looked at',
    edit('calls/admit.ts', 'if (amountNanos <= availableNanos) return null', 'if (amountNanos >= 0n) return null'),
  ),
  model(
    'a hold asked for again may be another one',
    edit('calls/call-flow.ts', 'const code = judgeRepeatedHold(repeated, request)', 'const code = null'),
  ),
  model(
    'a charge may pass its hold',
    edit('calls/hold.ts', 'if (charge.value > hold.amountNanos)', 'if (charge.value > 2n * hold.amountNanos)'),
  ),
  model(
    'a report that was overtaken counts',
    edit('calls/hold.ts', "return isLater ? 'keep' : 'ignore'", "return 'keep'"),
  ),
  model(
    'what has not vested can be spent',
    edit('guard/account-store.ts', 'balanceNanos - heldNanos - vestingNanos', 'balanceNanos - heldNanos'),
  ),
  model(
    'gifts can be withdrawn',
    edit('guard/money-flow.ts', 'if (amountNanos > most)', 'if (amountNanos > account.balanceNanos)'),
  ),
  model(
    'a frozen account may hold',
    edit(
      'calls/admit.ts',
      'checkAllowed(standing, key, request) ?? checkFrozen(frozen)',
      'checkAllowed(standing, key, request)',
    ),
  ),
  model(
    'what was spent does not count',
    edit('limits/budget-period.ts', 'spentAt >= spentSince ? spent[period] : nanos(0n)', 'nanos(0n)'),
  ),
]
