// A monthly statement as CSV: one row per sum, so that a spreadsheet can add them up. Sheets know the columns by their place, so a new one stands last.
import { csvOf } from './csv.ts'
import type { Statement } from './statement.ts'

export function statementCsv(statement: Statement): string {
  const { opening, closing, calls, operator, author } = statement
  const rows: (string | number)[][] = [
    row('statement', `${statement.accountId} no. ${statement.number} ${statement.month}`, ''),
    row('balance', 'opening', opening.balance, opening.seq),
    ...statement.totals.map(({ kind, count, amount }) => row('total', kind, amount, count)),
    row('balance', 'closing', closing.balance, closing.seq),
    ['calls', 'all', calls.count, ...unitCells(calls)],
    ...statement.models.map((model) => ['model', model.model, model.calls, ...unitCells(model)]),
    row('consumer', 'paid in', statement.paidIn),
    row('consumer', 'refunded', statement.refunded),
    row('operator', 'earned', operator.earned),
    row('operator', 'house fees of its calls', operator.fees),
    row('operator', 'audits', operator.audits),
    row('author', 'earned', author.earned),
    row('account', 'clawed back', statement.clawedBack),
    row('account', 'withdrawn', statement.withdrawn),
    ...statement.vesting.map(({ until, amount }) => row('vesting', new Date(until).toISOString(), amount)),
  ]
  return csvOf(['section', 'name', 'count', 'input_tokens', 'output_tokens', 'usd', 'tensor_bytes'], rows)
}

/** A sum that no units belong to. */
const row = (section: string, name: string, usd: string, count: number | '' = '') => [
  section,
  name,
  count,
  '',
  '',
  usd,
  '',
]

const unitCells = ({ inputTokens, outputTokens, tensorBytes, charge }: Omit<Statement['calls'], 'count' | 'charged'>) =>
  [inputTokens, outputTokens, charge, tensorBytes ?? 0] as const
