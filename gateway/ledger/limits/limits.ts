// Ceilings of this room, each with its unit and its reason. What other rooms share stands in core/limits.ts.
export const LEDGER = {
  /** ms between a new line (or a credit) and the alarm that carries it on: gathers the lines of a busy moment into one batch */
  alarmMs: 300,
  /** ms the alarm keeps away after its own work failed in a way no single step explains */
  alarmTroubleMs: 5_000,
  /** holds ended in one go, so that a thousand overdue ones do not block the guard */
  overdueMax: 100,
  /** payees credited in one alarm, all at the same time */
  payeesMax: 40,
  /** ms until an unanswered payee counts as failed; the batch stays and is sent again */
  payeeMs: 5_000,
  /** ms until an unanswered book counts as failed; the append is repeated */
  bookMs: 15_000,
  /** ms of the first pause after a failure; doubles up to {@link retryMaxMs} */
  retryMs: 1_000,
  retryMaxMs: 600_000,
  /** lines of one append */
  linesMax: 100,
  /** characters of JSON of one append: D1 takes 2 MB in one parameter, and three parameters share a line's text */
  appendChars: 600_000,
  /** lines of one page of a journal that is exported or read for a statement: a few ms of the guard */
  journalRows: 1_000,
  /** characters of such a page, proofs included: an answer across RPC has 32 MiB, and an isolate 128 MB */
  journalChars: 4_000_000,
  /** ms after the end of a month (UTC) at which its statement is written: longer than clocks can be apart */
  statementGraceMs: 3_600_000,
  /** months of one account written in one visit, after a time without crons */
  statementMonthsMax: 24,
  /** ms after which a statement's event is not told again, in case the first telling was lost */
  statementTellMs: 2 * 86_400_000,
  /** appends of one alarm; more lines re-arm it */
  appendsMax: 10,
  /** events told in one alarm */
  eventsMax: 20,
  /** ms an Idempotency-Key is remembered */
  idempotencyMs: 86_400_000,
  /** ms after which a POST that nobody finished counts as lost, and may be done again: longer than any of them takes */
  postLostMs: 60_000,
  /** expired Idempotency-Keys deleted in one alarm, each with up to 64 kB */
  purgeMax: 200,
  /** ms they may stay: one alarm an hour clears what a busy hour left, instead of one alarm for each */
  purgePauseMs: 3_600_000,
  /** characters of one call's detail; a larger explanation of the choice is left out */
  detailChars: 64_000,
  /** accounts a cron run ticks and verifies at most: a Worker may make 1_000 requests (sweep.ts adds them up) */
  sweepMax: 200,
  /** accounts of one minute's slice that are read at most: 11 million accounts in all */
  sliceMax: 8_000,
  /** lines a guard checks in one go: some 50 ms in which it does nothing else */
  checkLines: 1_000,
  /** ms an overdue hold may be open before verification says so: its alarm may be late by the time of a restart */
  overdueGraceMs: 60_000,
  /** lines the book may be behind for its sum to be compared: the guard adds up the difference */
  checkLagMax: 5_000,
  /** times a guard goes on checking in one run: some thousand lines a day for each account */
  checkSteps: 5,
  /** accounts of which the book is read in one statement */
  verifyGroup: 25,
  /** lines of each account whose rows are held against their bodies in one run: 25 times 100 kB in one answer of D1 */
  auditLines: 100,
  /** lines an account may have for all of them to be added up every day: D1 reads a million rows in about a second */
  sumLinesMax: 100_000,
  /** accounts looked at a second time in one run; where more are wrong, these are enough to wake somebody */
  suspectsMax: 20,
  /** further self-checks of long journals, and doubtful credits asked about, in one run: their requests are counted */
  furtherChecksMax: 50,
  doubtsMax: 20,
  /** accounts frozen again in an hour */
  freezeAgainMax: 20,
  /** ms a line may be missing in the book, and a credit may be under way, before somebody is told */
  lagMaxMs: 6 * 3_600_000,
  underWayMaxMs: 24 * 3_600_000,
  /** ms that lines have to reach their book before a minute is added up */
  conservationLagMs: 600_000,
  /** ms what explains and proves a call is kept (choice, attempts, ticket, receipt): a quarter, in which a bill is disputed */
  detailKeptMs: 90 * 86_400_000,
  /** ms an event and its deliveries are kept: a month of a delivery log */
  eventsKeptMs: 30 * 86_400_000,
  /** calls whose detail a guard clears in one alarm: a write each */
  purgeCallsMax: 200,
  /** ms until it clears more, when there are more */
  purgeMoreMs: 1_000,
  /** rows of each kind that one cron run clears of each database: 1.4 million a day */
  purgeRows: 1_000,
  /** days whose totals are summed anew in one run, each a statement over its hourly sums: some seconds of a busy book, and a year in half an hour */
  recountDays: 20,
  /** days back that are held against their hourly sums, one a minute: as far as anybody may ask */
  totalsCheckedDays: 402,
  /** accounts set back to be written again in one request: three requests each, and a Worker may make 1_000 */
  rebuildMax: 200,
  /** accounts that lag, named to admins */
  laggingShown: 20,
  /** ms a credit code lives when its maker does not say */
  codeMs: 365 * 86_400_000,
  /** nanos an account holds at most, so that every amount stays a safe integer with room for earnings: 8 million dollars */
  balanceMaxNanos: 8_000_000_000_000_000n,
  /** nanos: a smaller withdrawal costs more to pay than it brings */
  withdrawMinNanos: 10_000_000n,
  /** nanos: what a stolen session can ask for at once */
  withdrawMaxNanos: 100_000_000_000_000n,
  /** nanos of a withdrawal's smallest step: one base unit of USDC */
  withdrawStepNanos: 1_000n,
  /** lines of an operator read of each book for one page of a node's earnings: of fifty busy nodes, a hundred of this one */
  earningsLegsMax: 5_000,
  /** ms until a new pay-out address holds: whoever reads mail once in two days sees the notice before money goes there */
  payoutAddressDelayMs: 48 * 3_600_000,
  /** changes of it an account may ask for in a day: each is told to its owner */
  payoutAddressesPerDay: 10,
  /** nanos of one pay-out file: what one mistake of a payer can cost, and far below 2^53 */
  payoutMaxNanos: 5_000_000_000_000_000n,
  /** rows of one pay-out file */
  payoutRowsMax: 500,
  /** accounts asked whether they are frozen, per file: a Worker may make 1_000 requests */
  payoutAccountsMax: 700,
  /** requested withdrawals, or lines of the book, read at once for a file */
  payoutPageRows: 200,
  /** ms back in which a new file looks in the book for withdrawals whose row was lost */
  payoutSearchMs: 90 * 86_400_000,
  /** bytes of one processor event; theirs are below 100 kB */
  paymentEventBytes: 262_144,
  /** ms a signed payment event may be old or ahead */
  paymentSkewMs: 300_000,
  /** what the local faucet pours, nanos */
  faucetNanos: 10_000_000_000n,
} as const

/** ms to wait after the `tries`-th failure in a row. @example backOffMs(1) // 1_000 */
export function backOffMs(tries: number): number {
  return Math.min(LEDGER.retryMaxMs, LEDGER.retryMs * 2 ** Math.min(tries - 1, 20))
}
