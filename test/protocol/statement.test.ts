import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../protocol/canonical.ts'
import { parseLine } from '../../protocol/journal.ts'
import {
  claimsOf,
  firstOpening,
  monthEnd,
  monthOf,
  openingAfter,
  Statement,
  statementOf,
  statementText,
  type HashedLine,
} from '../../protocol/statement.ts'
import { statementCsv } from '../../protocol/statement-csv.ts'
import { instant, type ModelId } from '../../protocol/units.ts'
import { ACCOUNT, aCall, aLife, aSigningKey, chain, grant, START } from '../support/journal.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const lines: HashedLine[] = chain(await aLife(signers)).map(({ body, hash }) => ({ line: parseLine(body), hash }))
const june = lines.slice(0, 10)
const august = lines.slice(10)

const first = statementOf(firstOpening(ACCOUNT, START), june)
const second = statementOf(openingAfter(first), [])
const third = statementOf(openingAfter(second), august)

describe('a statement', () => {
  it('says what the month began and ended with, and what each kind of line did', () => {
    expect(Statement.parse(first)).toEqual(first)
    expect(first).toMatchObject({
      number: 1,
      month: '2040-06',
      lines: 10,
      opening: { seq: 0, balance: '0.000000000' },
      closing: { seq: 10, hash: june[9]?.hash },
    })
    const sum = june.reduce((total, { line }) => total + line.deltaNanos, 0n)
    expect(first.closing.balance).toBe(`0.0${String(sum).padStart(8, '0')}`)
    expect(first.totals.map(({ kind, count }) => [kind, count])).toEqual([
      ['call', 3],
      ['grant', 1],
      ['topup', 1],
      ['credit', 1],
      ['refund', 2],
      ['withdrawal', 1],
      ['receipt', 1],
    ])
    expect(first.calls).toEqual({ count: 3, charged: 3, inputTokens: 36, outputTokens: 300, charge: '0.000002163' })
    expect(first).toMatchObject({
      paidIn: '0.010050000',
      refunded: '0.000000721',
      withdrawn: '-0.000002000',
      clawedBack: '0.000000000',
    })
    expect(first.operator).toEqual({ earned: '0.000003661', fees: '0.000000336', audits: '0.000000000' })
    expect(first.author).toEqual({ earned: '0.000000020' })
  })

  it('says what vests later until it has vested', () => {
    expect(first.vesting).toEqual([{ until: Date.UTC(2040, 7, 2) + 5, amount: '0.000001000' }])
    expect(second.vesting).toEqual(first.vesting)
    expect(third.vesting).toEqual([])
  })

  it('goes on where the one before ended, months without lines included', () => {
    expect(second).toMatchObject({
      number: 2,
      month: '2040-07',
      lines: 0,
      opening: first.closing,
      closing: first.closing,
      totals: [],
    })
    expect(third).toMatchObject({ number: 3, month: '2040-08', opening: second.closing, lines: 9 })
    expect(third.models.map(({ model }) => model)).toEqual(['test/other'])
    expect(third).toMatchObject({ paidIn: '0.000000000', clawedBack: '-0.000000005', withdrawn: '0.000002000' })
    expect(third.operator.audits).toBe('0.000000003')
  })

  it('is the same text whoever writes it, and signed over its hash', () => {
    expect(statementText(Statement.parse(JSON.parse(JSON.stringify(first))))).toBe(statementText(first))
    expect(claimsOf(first)).toEqual({
      accountId: ACCOUNT,
      number: 1,
      month: '2040-06',
      sha256: sha256Hex(statementText(first)),
    })
  })

  it('takes no line of another month, and none out of order', () => {
    expect(() => statementOf(firstOpening(ACCOUNT, START), lines)).toThrow(/line 11 is of another month/)
    expect(() => statementOf(firstOpening(ACCOUNT, START), june.slice(1))).toThrow(/line 2 does not follow line 0/)
  })

  it('ends a month with its last millisecond', () => {
    const end = Date.UTC(2041, 0)
    expect([monthOf(instant(end - 1)), monthOf(instant(end)), monthEnd('2040-12')]).toEqual(['2040-12', '2041-01', end])
    expect(openingAfter({ ...first, month: '2040-12' }).month).toBe('2041-01')
  })

  it('is a table for spreadsheets, in which no cell is a formula', () => {
    const rows = statementCsv(first).trimEnd().split('\r\n')
    expect(rows[0]).toBe('section,name,count,input_tokens,output_tokens,usd,tensor_bytes')
    expect(rows).toContain('model,test/echo,3,36,300,0.000002163,0')
    expect(new Set(rows.map((row) => row.split(',').length))).toEqual(new Set([7]))
    expect(rows.filter((row) => /(^|,)[=+@]/.test(row))).toEqual([])
  })
})

describe('a statement of a month with tensors', () => {
  const of = async (...bytes: (bigint | undefined)[]) => {
    const calls = bytes.map((tensorBytes, index) =>
      aCall(signers, START + 1 + index, index + 1, {
        ...(tensorBytes === undefined ? {} : { inputTokens: 0n, outputTokens: 0n, tensorBytes }),
        model: (tensorBytes === undefined ? 'test/words' : 'test/graph') as ModelId,
      }),
    )
    const entries = [{ draft: grant(START, 'grant:1', 10_000_000n) }, ...(await Promise.all(calls))]
    const hashed = chain(entries).map(({ body, hash }) => ({ line: parseLine(body), hash }))
    return statementOf(firstOpening(ACCOUNT, START), hashed)
  }

  it('adds up their bytes, of all calls and by model; models of words have none', async () => {
    const statement = await of(1_000_000n, 24n, undefined)
    expect(Statement.parse(statement)).toEqual(statement)
    expect(statement.calls).toMatchObject({ count: 3, inputTokens: 12, outputTokens: 100, tensorBytes: 1_000_024 })
    expect(statement.models).toEqual([
      { model: 'test/graph', calls: 2, inputTokens: 0, outputTokens: 0, tensorBytes: 1_000_024, charge: '0.000250012' },
      { model: 'test/words', calls: 1, inputTokens: 12, outputTokens: 100, charge: '0.000000721' },
    ])
    const rows = statementCsv(statement).split('\r\n')
    expect(rows).toContain('calls,all,3,12,100,0.000250733,1000024')
    expect(rows).toContain('model,test/graph,2,0,0,0.000250012,1000024')
    expect(rows).toContain('model,test/words,1,12,100,0.000000721,0')
  })

  it('reads the statements of before, and writes those of words as they always were', () => {
    const text = statementText(first)
    expect(text).not.toContain('tensor')
    expect(Statement.parse(JSON.parse(text))).toEqual(first)
    expect(Statement.safeParse({ ...first, calls: { ...first.calls, tensorBytes: -1 } }).success).toBe(false)
  })
})
