// A monthly statement: what an account's journal says of one month (UTC), numbered from the month of its first line, months without lines
// included. It is made of the journal's lines alone, so that anybody who has the journal writes the same statement to the nano, and its text
// (RFC 8785) to the byte. A line belongs to the month of its own time, and times never go back, so a month is a run of lines.
import { z } from 'zod'
import { jcs, sha256Hex } from './canonical.ts'
import { AccountIdText } from './fields.ts'
import { GENESIS_HASH, LineKind, type JournalLine } from './journal.ts'
import { chargeNanosOf } from './journal-shapes.ts'
import { fromUsd, instant, toSqlInteger, toUsd, type AccountId, type Instant, type Nanos } from './units.ts'

export const STATEMENT_FORMAT = 'souk-statement/1'
/** typ of a statement's JWS */
export const STATEMENT_TYP = 'souk-statement'

/** decimal dollars */
const Amount = z.string().regex(/^-?\d+\.\d{9}$/)
const Count = z.number().int().min(0)
/** `tensorBytes` is absent where there were none, so that a statement of words reads as it always did, to the byte */
const UnitSums = { inputTokens: Count, outputTokens: Count, tensorBytes: Count.optional() }
const Stand = z.strictObject({ seq: Count, hash: z.string(), balance: Amount })

export const Statement = z.strictObject({
  format: z.literal(STATEMENT_FORMAT),
  accountId: AccountIdText,
  /** 1, 2, 3 … */
  number: z.number().int().min(1),
  /** YYYY-MM, UTC */
  month: z.string().regex(/^\d{4}-\d{2}$/),
  /** first and last line before and of the month: its lines are opening.seq + 1 … closing.seq. Balances include open holds */
  opening: Stand,
  closing: Stand,
  lines: Count,
  /** earnings that arrived and vest after the month, as they were credited; ms and decimal dollars */
  vesting: z.array(z.strictObject({ until: z.number().int(), amount: Amount })),
  /** what each kind of line did to the balance */
  totals: z.array(z.strictObject({ kind: LineKind, count: Count, amount: Amount })),
  /** as a consumer: what calls were charged, by model too; counts include calls that cost nothing */
  calls: z.strictObject({ count: Count, charged: Count, ...UnitSums, charge: Amount }),
  models: z.array(z.strictObject({ model: z.string(), calls: Count, ...UnitSums, charge: Amount })),
  /** grants, codes, the faucet, payments; less what was charged back */
  paidIn: Amount,
  refunded: Amount,
  /** as an operator: shares of calls, what the house kept of those calls, and audits the house paid */
  operator: z.strictObject({ earned: Amount, fees: Amount, audits: Amount }),
  /** as an author: royalties */
  author: z.strictObject({ earned: Amount }),
  /** taken back of earnings */
  clawedBack: Amount,
  /** paid out, less what came back */
  withdrawn: Amount,
})
export type Statement = z.infer<typeof Statement>

export const StatementClaims = z.strictObject({
  accountId: AccountIdText,
  number: z.number().int().min(1),
  month: z.string(),
  /** sha256 hex of the statement's RFC 8785 text */
  sha256: z.string(),
})
export type StatementClaims = z.infer<typeof StatementClaims>

/** `GET /api/statements/{number}`; the signature is a JWS of the gateway over {@link StatementClaims}. */
export const SignedStatement = z.object({ statement: Statement, signature: z.string() })
export type SignedStatement = z.infer<typeof SignedStatement>

export const statementText = (statement: Statement): string => jcs(statement)

export function claimsOf(statement: Statement): StatementClaims {
  const { accountId, number, month } = statement
  return { accountId, number, month, sha256: sha256Hex(statementText(statement)) }
}

/** @example monthOf(Date.UTC(2040, 5, 16)) // '2040-06' */
export const monthOf = (at: Instant): string => new Date(at).toISOString().slice(0, 7)

/** Its last millisecond is before this. @example monthEnd('2040-12') // Date.UTC(2041, 0) */
export function monthEnd(month: string): Instant {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return instant(Date.UTC(year, number))
}

/** What a month begins with: the end of the one before. */
export interface Opening {
  readonly accountId: AccountId
  readonly number: number
  readonly month: string
  readonly stand: Statement['opening']
  readonly vesting: Statement['vesting']
}

/** Of the month of an account's first line. */
export const firstOpening = (accountId: AccountId, firstAt: Instant): Opening => ({
  accountId,
  number: 1,
  month: monthOf(firstAt),
  stand: { seq: 0, hash: GENESIS_HASH, balance: usd(0n) },
  vesting: [],
})

export const openingAfter = ({ accountId, number, month, closing, vesting }: Statement): Opening => ({
  accountId,
  number: number + 1,
  month: monthOf(monthEnd(month)),
  stand: closing,
  vesting,
})

export interface HashedLine {
  readonly line: JournalLine
  readonly hash: string
}

/** @param lines of this month, in order, all of them. @throws RangeError for a line that does not follow, or is of another month */
export function statementOf(opening: Opening, lines: Iterable<HashedLine>): Statement {
  const month = new StatementMonth(opening)
  for (const { line, hash } of lines) month.add(line, hash)
  return month.close()
}

interface ModelSums {
  calls: number
  inputTokens: bigint
  outputTokens: bigint
  tensorBytes: bigint
  chargeNanos: bigint
}

const NO_SUMS: ModelSums = { calls: 0, inputTokens: 0n, outputTokens: 0n, tensorBytes: 0n, chargeNanos: 0n }

/** As a statement says them. */
const unitSums = ({ inputTokens, outputTokens, tensorBytes }: Omit<ModelSums, 'calls' | 'chargeNanos'>) => ({
  inputTokens: toSqlInteger(inputTokens),
  outputTokens: toSqlInteger(outputTokens),
  ...(tensorBytes > 0n && { tensorBytes: toSqlInteger(tensorBytes) }),
})

/** A month under way: lines come in order, then it is closed. */
export class StatementMonth {
  #seq: number
  #hash: string
  #balanceNanos: bigint
  #charged = 0
  #operatorNanos = 0n
  #feesNanos = 0n
  #authorNanos = 0n
  readonly #kinds = new Map<LineKind, { count: number; nanos: bigint }>()
  readonly #models = new Map<string, ModelSums>()
  readonly #vesting = new Map<number, bigint>()
  readonly #end: Instant

  constructor(readonly opening: Opening) {
    this.#seq = opening.stand.seq
    this.#hash = opening.stand.hash
    this.#balanceNanos = fromUsd(opening.stand.balance)
    this.#end = monthEnd(opening.month)
    for (const { until, amount } of opening.vesting) this.#vesting.set(until, fromUsd(amount))
  }

  add(line: JournalLine, hash: string): void {
    if (line.seq !== this.#seq + 1) throw new RangeError(`line ${line.seq} does not follow line ${this.#seq}`)
    if (monthOf(line.at) !== this.opening.month) throw new RangeError(`line ${line.seq} is of another month`)
    this.#seq = line.seq
    this.#hash = hash
    this.#balanceNanos += line.deltaNanos
    const kind = this.#kinds.get(line.kind) ?? { count: 0, nanos: 0n }
    this.#kinds.set(line.kind, { count: kind.count + 1, nanos: kind.nanos + line.deltaNanos })
    this.#addCredit(line)
    this.#addCall(line)
  }

  close(): Statement {
    const { accountId, number, month, stand } = this.opening
    const models = [...this.#models].sort(([a], [b]) => (a < b ? -1 : 1))
    const sum = (of: (model: ModelSums) => bigint) => models.reduce((total, [, model]) => total + of(model), 0n)
    return {
      format: STATEMENT_FORMAT,
      accountId,
      number,
      month,
      opening: stand,
      closing: { seq: this.#seq, hash: this.#hash, balance: usd(this.#balanceNanos) },
      lines: this.#seq - stand.seq,
      vesting: [...this.#vesting]
        .filter(([until]) => until > this.#end)
        .sort(([a], [b]) => a - b)
        .map(([until, amount]) => ({ until, amount: usd(amount) })),
      totals: LineKind.options.flatMap((kind) => {
        const sums = this.#kinds.get(kind)
        return sums ? [{ kind, count: sums.count, amount: usd(sums.nanos) }] : []
      }),
      calls: {
        count: this.#kinds.get('call')?.count ?? 0,
        charged: this.#charged,
        ...unitSums({
          inputTokens: sum(({ inputTokens }) => inputTokens),
          outputTokens: sum(({ outputTokens }) => outputTokens),
          tensorBytes: sum(({ tensorBytes }) => tensorBytes),
        }),
        charge: usd(sum(({ chargeNanos }) => chargeNanos)),
      },
      models: models.map(([model, { calls, chargeNanos, ...units }]) => ({
        model,
        calls,
        ...unitSums(units),
        charge: usd(chargeNanos),
      })),
      paidIn: this.#sumOf('grant', 'code', 'faucet', 'topup', 'chargeback'),
      refunded: this.#sumOf('refund'),
      operator: { earned: usd(this.#operatorNanos), fees: usd(this.#feesNanos), audits: this.#sumOf('audit') },
      author: { earned: usd(this.#authorNanos) },
      clawedBack: this.#sumOf('clawback'),
      withdrawn: this.#sumOf('withdrawal', 'withdrawal_return'),
    }
  }

  #sumOf(...kinds: LineKind[]): string {
    return usd(kinds.reduce((sum, kind) => sum + (this.#kinds.get(kind)?.nanos ?? 0n), 0n))
  }

  #addCredit({ credit }: JournalLine): void {
    if (!credit) return
    this.#operatorNanos += credit.operatorNanos
    this.#authorNanos += credit.authorNanos
    this.#feesNanos += credit.feesNanos
    for (const { until, amountNanos } of credit.vesting)
      this.#vesting.set(until, (this.#vesting.get(until) ?? 0n) + amountNanos)
  }

  /** What an account earns by its own call moves within it, so it is earned here and not by a credit. */
  #addCall({ account, call, legs }: JournalLine): void {
    if (!call) return
    const chargeNanos = chargeNanosOf({ legs })
    if (chargeNanos > 0n) this.#charged += 1
    const model = this.#models.get(call.modelId) ?? NO_SUMS
    this.#models.set(call.modelId, {
      calls: model.calls + 1,
      inputTokens: model.inputTokens + call.inputTokens,
      outputTokens: model.outputTokens + call.outputTokens,
      tensorBytes: model.tensorBytes + (call.tensorBytes ?? 0n),
      chargeNanos: model.chargeNanos + chargeNanos,
    })
    const isOwnNode = legs.some(({ party, role }) => role === 'operator' && party === account)
    for (const { party, role, amountNanos } of legs) {
      if (role === 'house' && isOwnNode) this.#feesNanos += amountNanos
      if (party !== account) continue
      if (role === 'operator') this.#operatorNanos += amountNanos
      if (role === 'author') this.#authorNanos += amountNanos
    }
  }
}

/** Sums may pass 2^53 nanos; they are only printed. */
const usd = (amount: bigint): string => toUsd(amount as Nanos)
