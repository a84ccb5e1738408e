// Every file for a spreadsheet that the gateway makes, with names in it that a spreadsheet would run: read again, each cell stands where it was, and none is
// a formula. Which files there are says test/support/csv-files.ts.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import {
  earningsTable,
  exported,
  meteringTable,
  royaltiesTable,
  spendTable,
  topTable,
  type Table,
} from '../../gateway/ledger/metering/exported.ts'
import { payoutCsv, payoutFile } from '../../gateway/ledger/payouts/payout-file.ts'
import type { AppEnv } from '../../gateway/core/principal.ts'
import { MeteringReply, OperatorEarningsReply, RoyaltiesReply, SpendReply, TopReply } from '../../protocol/metering.ts'
import { statementCsv } from '../../protocol/statement-csv.ts'
import { firstOpening, statementOf } from '../../protocol/statement.ts'
import { nanos } from '../../protocol/units.ts'
import { GATEWAY_CSV } from '../support/csv-files.ts'
import { faultsOf, HOSTILE_CELLS, readCsv } from '../support/hostile-cells.ts'
import { anOffice } from './admin/office.ts'
import { plannedFailures, START } from './ledger/ledger-house.ts'
import { admin, ADMIN } from './ledger/money-house.ts'

plannedFailures()

/** The file, where these stand in it. */
type File = (cells: readonly string[]) => Promise<string>

const AT = '2040-06-16T10:00:00.000Z'
const MEASURES = { calls: 1, errors: 0, inputTokens: 2, outputTokens: 3, tensorBytes: 4, charge: '-0.000000001' }
const RANGE = { from: AT, to: AT, step: 'day' } as const
const SHARES = { operators: '1.0', authors: '0', house: '-0.5' }
const REVENUE = { ...MEASURES, ...SHARES, firstTokenMs: null, durationMs: { p50: 1, p90: 2, p99: 3 } }

/** As a route of metering answers it, through its own middleware. */
function metered<T extends object>(
  schema: z.ZodType<T>,
  table: (reply: T) => Table,
  reply: (groups: (typeof MEASURES & { id: string })[]) => T,
): File {
  return async (cells) => {
    const app = new Hono<AppEnv>().get('/', exported('test', schema, table), (c) =>
      c.json(reply(cells.map((id) => ({ ...MEASURES, id })))),
    )
    const response = await app.request('/?format=csv')
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    return response.text()
  }
}

let serial = 0
const run = (sql: string, ...values: unknown[]) => env.DB.prepare(sql).bind(...values)
const listed =
  (list: string, table: string, insert: (cell: string, n: number) => D1PreparedStatement[]): File =>
  async (cells) => {
    await run(`DELETE FROM ${table}`).run()
    for (const cell of cells) await env.DB.batch(insert(cell, ++serial))
    const { ask } = await anOffice()
    const { status, text } = await ask(admin, 'GET', `/admin/${list}?format=csv`)
    expect(status).toBe(200)
    return text
  }

const FILES: Readonly<Record<string, File>> = {
  spend: metered(SpendReply, spendTable, (groups) => ({ ...RANGE, total: MEASURES, points: [], groups })),
  // Times and numbers: no cell is anybody's word.
  metering: metered(MeteringReply, meteringTable, () => ({
    ...{ ...RANGE, total: REVENUE, points: [{ ...REVENUE, at: AT }], projectionLagMs: 0 },
    before: { total: REVENUE, points: [{ ...REVENUE, at: AT }] },
  })),
  top: metered(TopReply, topTable, (groups) => ({ data: groups.map((group) => ({ ...group, ...SHARES })) })),
  royalties: metered(RoyaltiesReply, royaltiesTable, (groups) => ({
    ...{ ...RANGE, points: [{ ...MEASURES, at: AT, royalty: '-1.5' }] },
    models: groups.map((group) => ({ ...group, royalty: '0.1' })),
  })),
  earnings: metered(OperatorEarningsReply, earningsTable, (groups) => {
    const earned = groups.map((group) => ({ ...group, earned: '0.1' }))
    return { ...RANGE, points: [{ ...MEASURES, at: AT, earned: '0' }], nodes: earned, models: earned }
  }),
  accounts: listed('accounts', 'wallets', (address, n) => [
    run('INSERT INTO accounts (id, created_at, book) VALUES (?, 1, 0)', `account${n}`),
    run('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 1)', address, `account${n}`),
  ]),
  nodes: listed('nodes', 'nodes', (name, n) => [
    run(
      `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, reason, created_at)
       VALUES (?1, ?2, ?3, '', ?1, '', ?2, 'suspended', ?2, 1)`,
      `node_${n}`,
      name,
      ADMIN,
    ),
  ]),
  models: listed('models', 'models', (reason, n) => [
    run(
      `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, state, state_reason, created_at)
       VALUES (?1, ?1, 'chat', ?3, 0, '{}', 'blocked', ?2, 1)`,
      `maker/m${n}`,
      reason,
      ADMIN,
    ),
  ]),
  payouts: async (cells) =>
    payoutCsv(
      payoutFile(
        'po_1',
        cells.map((address, n) => ({ id: `w${n}`, address, amountNanos: nanos(1n) })),
      ),
    ),
  statement: async (cells) => {
    const sums = { calls: 1, inputTokens: 2, outputTokens: 3, charge: '0.000000001' }
    const models = cells.map((model) => ({ ...sums, model }))
    return statementCsv({ ...statementOf(firstOpening(ADMIN, START), []), models })
  },
}
const WITHOUT_WORDS = ['metering']

describe('every file for a spreadsheet', () => {
  it('is asked for here', () => expect(Object.keys(FILES).sort()).toEqual(GATEWAY_CSV))

  it.each(Object.entries(FILES))(
    '%s: has each hostile cell where it was, and none as a formula',
    async (name, file) => {
      const cells = WITHOUT_WORDS.includes(name) ? [] : HOSTILE_CELLS
      const text = await file(cells)
      expect(faultsOf(text, cells)).toEqual([])
      expect(readCsv(text).length).toBeGreaterThan(cells.length)
    },
  )

  it.each(Object.entries(FILES))('%s: keeps its amounts numbers, also below zero', async (_, file) => {
    const cells = readCsv(await file(['a name'])).flat()
    expect(cells.filter((cell) => /^'-?\d/.test(cell))).toEqual([])
  })
})

describe('the check itself', () => {
  it.each([
    ['a formula', 'a\r\n=1\r\n', ['a formula: "=1"', 'lost: "=1"']],
    ['a cell that is gone', 'a\r\nx\r\n', ['lost: "=1"']],
    ['a row that was torn', "a,b\r\n'=1\r\n", ['row 0 has 1 cells']],
    ['nothing wrong', "a\r\n'=1\r\n", []],
  ])('finds %s', (_, text, faults) => expect(faultsOf(text, ['=1'])).toEqual(faults))

  it.each(['a\nb\r\n', 'a"b\r\n', '"a"b\r\n', 'a'])('reads no file that is none: %j', (text) => {
    expect(() => readCsv(text)).toThrow()
  })
})
