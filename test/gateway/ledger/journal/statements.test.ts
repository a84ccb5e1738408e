import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { writeStatements } from '../../../../gateway/ledger/journal/statement-flow.ts'
import { sliceOf } from '../../../../gateway/ledger/book/sweep.ts'
import { openKeys } from '../../../../protocol/journal-proofs.ts'
import { verifyJournal } from '../../../../protocol/journal-verify.ts'
import {
  claimsOf,
  firstOpening,
  SignedStatement,
  STATEMENT_TYP,
  StatementClaims,
  statementOf,
  statementText,
  type HashedLine,
} from '../../../../protocol/statement.ts'
import { verifyClaims } from '../../../../protocol/ticket.ts'
import { instant, newAccountId, type AccountId, type Instant } from '../../../../protocol/units.ts'
import {
  accounts,
  aClock,
  aCredit,
  anAccount,
  aPayer,
  callFor,
  plannedFailures,
  START,
  type TestAccount,
} from '../ledger-house.ts'
import { journalApi, key, piecesOf, provenCall } from './journal-house.ts'

const HOUR = 3_600_000
const List = z.object({ data: z.array(z.object({ number: z.number() })), nextCursor: z.string().nullable() })
const PAYER = newAccountId(systemRandom)
const JULY = Date.UTC(2040, 6)
const AUGUST = Date.UTC(2040, 7)

const register = async (account: TestAccount) => {
  await env.DB.prepare('INSERT INTO accounts (id, created_at) VALUES (?, ?)').bind(account.id, START).run()
  return account
}

/** The first time at or after `from` at which the cron visits this account. */
function visitAfter(id: AccountId, from: number): Instant {
  for (let at = Math.ceil(from / 60_000) * 60_000; ; at += 60_000) {
    const slice = sliceOf((at / 60_000) % 1_440)
    if (id >= slice.from && (slice.before === null || id < slice.before)) return instant(at)
  }
}

const visit = (id: AccountId, from: number) =>
  writeStatements({ db: env.DB, books: [env.BOOK_0], accounts, clock: () => visitAfter(id, from), key })

const rows = async (id: AccountId) =>
  (await env.BOOK_0.prepare('SELECT number, month FROM statements WHERE account_id = ? ORDER BY number').bind(id).all())
    .results

const events = async (id: AccountId) =>
  (
    await env.DB.prepare(`SELECT id, kind, data FROM events WHERE account_id = ? AND kind = 'statement.ready'`)
      .bind(id)
      .all()
  ).results

async function read(account: TestAccount, number: number): Promise<SignedStatement> {
  return SignedStatement.parse(await (await journalApi(account.id, account.clock)(`/statements/${number}`)).json())
}

describe('monthly statements', () => {
  it('are written an hour after the month is over, once, however often the cron runs', async () => {
    const payer = await aPayer(1_000_000_000n)
    await register(payer)
    await callFor(payer, 500n, payer.id)
    const day = visitAfter(payer.id, JULY + HOUR)
    await visit(payer.id, START)
    // Its slice comes once a day: at its turn on the last day of the month the month is not over.
    await visit(payer.id, day - 86_400_000)
    expect(await rows(payer.id)).toEqual([])
    const written = await Promise.all([visit(payer.id, day), visit(payer.id, day)])
    expect(written).toEqual([1, 1])
    expect(await visit(payer.id, day)).toBe(0)
    expect(await rows(payer.id)).toEqual([{ number: 1, month: '2040-06' }])
    expect(await events(payer.id)).toEqual([
      {
        id: `${payer.id}:statement:2040-06`,
        kind: 'statement.ready',
        data: JSON.stringify({ number: 1, month: '2040-06', balance: '0.999999975' }),
      },
    ])
  })

  it('wait for the whole grace: not a millisecond earlier', async () => {
    const payer = await aPayer(1_000n)
    await register(payer)
    const at = (ms: number) =>
      writeStatements({
        db: onlyThis(payer.id),
        books: [env.BOOK_0],
        accounts,
        clock: () => instant(ms),
        key,
      })
    expect(await at(JULY + HOUR - 1)).toBe(0)
    expect(await at(JULY + HOUR)).toBe(1)
  })

  it('number every month from the first line on, those without lines too, and make up for lost crons', async () => {
    const payer = await aPayer(1_000_000_000n)
    await register(payer)
    await callFor(payer, 500n, payer.id)
    payer.clock.advance(Date.UTC(2040, 9, 2) - payer.clock())
    await callFor(payer, 700n, payer.id)
    expect(await visit(payer.id, Date.UTC(2040, 11, 1) + HOUR)).toBe(6)
    expect((await rows(payer.id)).map(({ number, month }) => `${String(number)} ${String(month)}`)).toEqual([
      '1 2040-06',
      '2 2040-07',
      '3 2040-08',
      '4 2040-09',
      '5 2040-10',
      '6 2040-11',
    ])
    const [august, october] = [await read(payer, 3), await read(payer, 5)]
    expect(august.statement).toMatchObject({ lines: 0, opening: { seq: 2 }, closing: { seq: 2 } })
    expect(october.statement).toMatchObject({ lines: 1, opening: { seq: 2 }, closing: { seq: 3 } })
  })

  it('go on from the statement before, with what vests carried over', async () => {
    const operator = await register(await anAccount())
    const later = instant(AUGUST + 5 * 86_400_000)
    const earned = {
      ...aCredit(PAYER, 1, 3, 1_000n),
      vesting: [{ until: later, amountNanos: aCredit(PAYER, 1, 1, 400n).sumNanos }],
    }
    await operator.port.credit(earned)
    await visit(operator.id, JULY + HOUR)
    expect(await visit(operator.id, AUGUST + HOUR)).toBe(1)
    await visit(operator.id, Date.UTC(2040, 8) + HOUR)
    const vesting = [1, 2, 3].map(async (n) => (await read(operator, n)).statement.vesting)
    const parts = [{ until: later, amount: '0.000000400' }]
    expect(await Promise.all(vesting)).toEqual([parts, parts, []])
    expect((await read(operator, 1)).statement.operator.earned).toBe('0.000001000')
  })

  it('are not written for who has no line', async () => {
    const nobody = await register(await anAccount())
    expect(await visit(nobody.id, AUGUST)).toBe(0)
    expect(await rows(nobody.id)).toEqual([])
  })

  it('tell of themselves again when the first telling was lost', async () => {
    const payer = await aPayer(1_000n)
    await register(payer)
    await visit(payer.id, JULY + HOUR)
    await env.DB.prepare('DELETE FROM events').run()
    await visit(payer.id, JULY + HOUR + 86_400_000)
    expect(await events(payer.id)).toHaveLength(1)
  })
})

describe('statements of an account that cannot be read', () => {
  plannedFailures()

  it('wait for the next visit', async () => {
    const payer = await aPayer(1_000n)
    await register(payer)
    const clock = () => visitAfter(payer.id, JULY + HOUR)
    const failing = () => ({ ...accounts(payer.id), lines: () => Promise.reject(new Error('planned')) })
    expect(await writeStatements({ db: env.DB, books: [env.BOOK_0], accounts: failing, clock, key })).toBe(0)
    expect(await visit(payer.id, JULY + HOUR)).toBe(1)
  })
})

describe('reading statements', () => {
  it('gives what the journal’s file gives to the byte, signed', async () => {
    const payer = await aPayer(1_000_000_000n)
    await register(payer)
    const operator = (await anAccount(payer.clock)).id
    const call = await provenCall(payer, operator)
    await provenCall(payer, payer.id)
    await payer.port.refund({
      transferId: 'r',
      callId: call.callId,
      amountNanos: call.chargeNanos,
      reason: 'r',
      by: operator,
    })
    await visit(payer.id, JULY + HOUR)
    const { statement, signature } = await read(payer, 1)

    const lines: HashedLine[] = []
    const file = await (await journalApi(payer.id, payer.clock)('/journal?format=ndjson')).text()
    await verifyJournal(piecesOf(file), { onLine: (line, hash) => lines.push({ line, hash }) })
    const rebuilt = statementOf(firstOpening(payer.id, START), lines)
    expect(statementText(rebuilt)).toBe(statementText(statement))
    expect(rebuilt).toMatchObject({ lines: 4, refunded: '0.000000721', calls: { charge: '0.000001442' } })

    const keys = await openKeys([key.jwks])
    expect(await verifyClaims(signature, STATEMENT_TYP, StatementClaims, keys.gateway)).toEqual({
      ok: true,
      value: claimsOf(rebuilt),
    })
  })

  it('lists newest first, page by page, and gives CSV', async () => {
    const payer = await aPayer(1_000n, {}, aClock())
    await register(payer)
    await visit(payer.id, Date.UTC(2040, 8) + HOUR)
    const api = journalApi(payer.id, payer.clock)
    const page = async (path: string) => List.parse(await (await api(path)).json())
    const first = await page('/statements?limit=2')
    expect([first.data.map(({ number }) => number), first.nextCursor]).toEqual([[3, 2], '2'])
    const rest = await page('/statements?limit=2&cursor=2')
    expect([rest.data.map(({ number }) => number), rest.nextCursor]).toEqual([[1], null])
    const csv = await api('/statements/1?format=csv')
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(await csv.text()).toContain('total,grant,1,,,0.000001000,\r\n')
  })

  it('never gives another’s, and refuses what is no number', async () => {
    const payer = await aPayer(1_000n)
    await register(payer)
    await visit(payer.id, JULY + HOUR)
    const stranger = journalApi((await anAccount()).id, payer.clock)
    for (const path of ['/statements/1', '/statements/0', '/statements/x', '/statements/1e0'])
      expect((await stranger(path)).status).toBe(404)
    const own = journalApi(payer.id, payer.clock)
    expect((await own('/statements/2')).status).toBe(404)
    expect((await own('/statements?cursor=x')).status).toBe(400)
    expect((await own('/statements/1?format=xml')).status).toBe(400)
  })
})

/** A registry whose slice is this one account, whatever the minute. */
function onlyThis(id: AccountId): D1Database {
  return {
    prepare: () => ({
      bind: () => ({ raw: async () => [[id, 0]], all: async () => ({ results: [] }), run: async () => ({}) }),
    }),
  } as unknown as D1Database // only what this reads
}
