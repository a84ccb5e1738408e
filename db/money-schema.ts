// The registry database, the part beside money: payments, withdrawals, alerts, events and webhooks. That money moved stands in the journals of
// its accounts; here stands what the world outside has to do with it. Times are ms since the Unix epoch, amounts nanos, both as INTEGER.
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** What was paid in through a processor: finds the account when the payment is reversed there. The money moved in the account's guard. */
export const payments = sqliteTable(
  'payments',
  {
    /** processor:reference, as the processor names the payment */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** nanos */
    amountNanos: integer('amount_nanos').notNull(),
    /** transfer id of the top-up */
    transferId: text('transfer_id').notNull(),
    /** ms */
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('payments_account').on(t.accountId)],
)

/** Withdrawals on their way out. That the money left the account stands in its journal; here stands whether it was paid. */
export const withdrawals = sqliteTable(
  'withdrawals',
  {
    /** account:transferId of the journal line */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** transfer id of the journal line */
    transferId: text('transfer_id').notNull(),
    /** nanos */
    amountNanos: integer('amount_nanos').notNull(),
    /** EVM address the money goes to */
    address: text('address').notNull(),
    /** requested | filed | paid | returning | returned */
    state: text('state').notNull(),
    /** of the pay-out file; null while requested */
    batchId: text('batch_id'),
    /** what the payer names the payment; null until paid */
    reference: text('reference'),
    /** ms */
    requestedAt: integer('requested_at').notNull(),
    /** ms, null until paid or returned */
    endedAt: integer('ended_at'),
  },
  (t) => [
    index('withdrawals_state').on(t.state, t.requestedAt),
    index('withdrawals_requested').on(t.requestedAt, t.id),
    index('withdrawals_account').on(t.accountId),
    index('withdrawals_batch').on(t.batchId),
  ],
)

/** Where an account's withdrawals go instead of to its wallets. A change is a row of its own: the latest one in force holds. */
export const payoutAddresses = sqliteTable(
  'payout_addresses',
  {
    /** account:requestedAt */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** EIP-55 checksummed address */
    address: text('address').notNull(),
    /** wallet whose fresh sign-in asked for it */
    requestedBy: text('requested_by').notNull(),
    /** ms */
    requestedAt: integer('requested_at').notNull(),
    /** ms from which it holds */
    effectiveAt: integer('effective_at').notNull(),
    /** ms when it was taken back before it came into force; null otherwise */
    cancelledAt: integer('cancelled_at'),
  },
  (t) => [index('payout_addresses_account').on(t.accountId, t.effectiveAt)],
)

/** What online verification found wrong. Open while resolvedAt is null. */
export const alerts = sqliteTable(
  'alerts',
  {
    /** kind:subject:seq, so that the same finding is one row */
    id: text('id').primaryKey(),
    /** chain | balance | holds | overdue | book | conservation | lag | payment */
    kind: text('kind').notNull(),
    /** AccountId, or house; `payments` for what a processor said and nobody could book: it stops nobody's money */
    subject: text('subject').notNull(),
    /** a sentence */
    detail: text('detail').notNull(),
    /** ms */
    at: integer('at').notNull(),
    /** ms, null while open */
    resolvedAt: integer('resolved_at'),
    /** AccountId of the admin */
    resolvedBy: text('resolved_by'),
    resolution: text('resolution'),
  },
  (t) => [
    index('alerts_open').on(t.resolvedAt, t.at),
    index('alerts_subject').on(t.subject),
    index('alerts_at').on(t.at, t.id),
  ],
)

/** What account owners are to be told, from guards and crons; webhooks send it. */
export const events = sqliteTable(
  'events',
  {
    /** account:event id: the same event is one row */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** balance.low | budget.reached | refund.created | account.frozen | account.unfrozen | statement.ready | payout_address.changed | member.changing | dispute.rejected | test */
    kind: text('kind').notNull(),
    /** JSON */
    data: text('data').notNull(),
    /** ms */
    at: integer('at').notNull(),
    /** ms at which its deliveries were written; null while nobody has looked at it */
    spreadAt: integer('spread_at'),
  },
  (t) => [index('events_account').on(t.accountId, t.at), index('events_new').on(t.spreadAt)],
)

/** Where an account wants to be told. */
export const webhooks = sqliteTable(
  'webhooks',
  {
    /** wh_… */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** https URL */
    url: text('url').notNull(),
    /** JSON list of event kinds; null for all */
    kinds: text('kinds'),
    /** the signing secret, sealed under the gateway's own secret */
    sealedSecret: text('sealed_secret').notNull(),
    /** the secret before a rotation, sealed; signs as well until oldUntil */
    sealedOldSecret: text('sealed_old_secret'),
    /** ms */
    oldUntil: integer('old_until'),
    /** ms of the first failure since the last delivery; null while it works */
    failingSince: integer('failing_since'),
    /** ms */
    createdAt: integer('created_at').notNull(),
    /** ms, null while it is in use */
    disabledAt: integer('disabled_at'),
    /** why it was disabled */
    reason: text('reason'),
  },
  (t) => [index('webhooks_account').on(t.accountId)],
)

/** One event for one webhook, and how its delivery goes. */
export const deliveries = sqliteTable(
  'deliveries',
  {
    /** dl_… */
    id: text('id').primaryKey(),
    webhookId: text('webhook_id').notNull(),
    eventId: text('event_id').notNull(),
    /** pending | delivered | failed */
    state: text('state').notNull(),
    tries: integer('tries').notNull(),
    /** ms of the next try; null when there is none */
    nextAt: integer('next_at'),
    /** HTTP status of the last try; null without an answer */
    status: integer('status'),
    /** why the last try failed, in a word */
    error: text('error'),
    /** ms of the last try */
    triedAt: integer('tried_at'),
    /** ms the last try took */
    tookMs: integer('took_ms'),
    /** ms until which the run that claimed it may be sending it; null while nobody is */
    leasedUntil: integer('leased_until'),
    /** ms */
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('deliveries_once').on(t.webhookId, t.eventId),
    index('deliveries_webhook').on(t.webhookId, t.createdAt),
    index('deliveries_due').on(t.nextAt),
    index('deliveries_event').on(t.eventId),
    index('deliveries_created').on(t.createdAt),
  ],
)

/** How every account stood when it was last looked at, once a day: what lags, what is under way, how far its records were checked. */
export const accountChecks = sqliteTable(
  'account_checks',
  {
    /** AccountId */
    accountId: text('account_id').primaryKey(),
    /** ms of the check */
    at: integer('at').notNull(),
    /** seq of its last line */
    seq: integer('seq').notNull(),
    /** seq of the last line its book had: the book never has fewer afterwards */
    bookSeq: integer('book_seq').notNull(),
    /** ms of the oldest line the book did not have; null without any */
    lagSince: integer('lag_since'),
    /** nanos owed to payees who had not acknowledged them */
    underWayNanos: integer('under_way_nanos').notNull(),
    /** ms of the oldest line of these; null without any */
    underWaySince: integer('under_way_since'),
    /** seq up to which the guard has checked its journal in the round under way */
    checkedSeq: integer('checked_seq').notNull(),
    /** seq up to which the book's rows were held against their lines in the round under way */
    auditedSeq: integer('audited_seq').notNull(),
  },
  (t) => [
    index('account_checks_lag').on(t.lagSince),
    index('account_checks_under_way').on(t.underWaySince),
    index('account_checks_at').on(t.at),
  ],
)
