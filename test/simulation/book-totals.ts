// The book's sums of sums as an outsider adds them up: every cut of every step, of everybody and of each account, is the hourly sums once more; and as
// many durations are counted in the days as in the hours, whichever ids they are cut by. With its own SQL.
import { Breach } from './guard-view.ts'
import type { Row, Sqlite } from './sqlite.ts'

const SUMS = [
  'calls',
  'errors',
  'input_tokens',
  'output_tokens',
  'tensor_bytes',
  'charge_nanos',
  'operator_nanos',
  'author_nanos',
  'house_nanos',
]
  .map((column) => `sum(${column})`)
  .join(` || ' ' || `)

/** @throws Breach */
export function checkTotals(sqlite: Sqlite, name: string): void {
  const [all] = sqlite.all(`SELECT ${SUMS} AS sums FROM rollups_hour`)
  const ofAll = sqlite.all(`SELECT step || ' ' || cut AS what, ${SUMS} AS sums FROM totals GROUP BY 1`)
  hold(name, ofAll, new Map(ofAll.map(({ what }) => [what, all?.sums])))
  if (all?.sums !== null && ofAll.length !== TOTALS)
    throw new Breach('I3', `${name}: ${ofAll.length} kinds of totals instead of ${TOTALS}`)

  const accounts = sqlite.all(`SELECT account_id AS what, ${SUMS} AS sums FROM rollups_hour GROUP BY 1`)
  const ofAccounts = sqlite.all(
    `SELECT account_id AS what, step || ' ' || cut AS kind, ${SUMS} AS sums FROM account_totals GROUP BY 1, 2`,
  )
  hold(name, ofAccounts, new Map(accounts.map(({ what, sums }) => [what, sums])))
  if (ofAccounts.length !== accounts.length * ACCOUNT_TOTALS)
    throw new Breach('I3', `${name}: ${ofAccounts.length} totals of ${accounts.length} accounts`)

  const [times] = sqlite.all(
    `SELECT count(DISTINCT n) AS kinds FROM (
       SELECT sum((SELECT sum(value) FROM json_each(counts))) AS n FROM latencies GROUP BY step, cut)`,
  )
  if (Number(times?.kinds) > 1)
    throw new Breach('I3', `${name}: the latencies of hours and days are not the same calls`)
}

/** kinds of sums: steps times cuts */
const TOTALS = 10
const ACCOUNT_TOTALS = 6

function hold(name: string, rows: readonly Row[], should: ReadonlyMap<unknown, unknown>): void {
  for (const { what, sums } of rows)
    if (sums !== should.get(what))
      throw new Breach('I3', `${name}: the total ${what} is ${sums}, its hours say ${should.get(what)}`)
}
