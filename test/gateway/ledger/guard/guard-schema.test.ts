// A guard as the first release left it, with money in it, opened by this one: everything is kept, and it goes on from there.
import { env, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { Account } from '../../../../gateway/ledger/guard/account.ts'
import { AccountGuard } from '../../../../gateway/ledger/guard/account-guard.ts'
import { expire } from '../../../../gateway/ledger/calls/call-flow.ts'
import { migrateGuard } from '../../../../gateway/ledger/guard/guard-schema.ts'
import { openStores } from '../../../../gateway/ledger/guard/stores.ts'
import { chainLine, findBreak, GENESIS_HASH } from '../../../../protocol/journal.ts'
import { HOUSE, instant, nanos, newAccountId, newCallId, newKeyId } from '../../../../protocol/units.ts'
import { aClock, aHold, anEnd, legsOf, MODEL, NODE, SECRET_HASH, START } from '../ledger-house.ts'

const ME = newAccountId(systemRandom)
const OPERATOR = newAccountId(systemRandom)
const [DAILY, ENDLESS] = [newKeyId(systemRandom), newKeyId(systemRandom)]
const OPEN = newCallId(START, systemRandom)
const OTHER_HASH = 'cd'.repeat(32)
const DAY = Date.UTC(2040, 5, 16)

/** Two lines: a grant of 1_000, and a call of 100, of which 95 are on their way to the operator. */
function linesOfOld() {
  const grant = {
    at: START,
    kind: 'grant',
    transferId: 'grant:first',
    legs: [
      { party: ME, role: 'receiver', amountNanos: nanos(1_000n) },
      { party: HOUSE.grants, role: 'house', amountNanos: nanos(-1_000n) },
    ],
    note: { reason: 'test', by: null },
  } as const
  const first = chainLine({ ...grant, legs: [...grant.legs] }, ME, 1, GENESIS_HASH).chained
  const call = {
    at: START,
    kind: 'call',
    transferId: newCallId(START, systemRandom),
    legs: legsOf(ME, 100n, OPERATOR),
    call: {
      keyId: DAILY,
      modelId: MODEL,
      nodeId: NODE,
      inputTokens: anEnd({ clock: aClock() }, OPEN).inputTokens,
      outputTokens: anEnd({ clock: aClock() }, OPEN).outputTokens,
      holdNanos: nanos(150n),
      outcome: 'complete',
      errorCode: null,
      receiptHash: null,
      ticketHash: null,
      priceVersion: null,
    },
  } as const
  return [first, chainLine(call, ME, 2, first.hash).chained]
}

/** Rows as the first release wrote them. */
function fillOld(sql: SqlStorage): void {
  const [first, second] = linesOfOld()
  if (!first || !second) throw new Error('two lines')
  sql.exec(`INSERT INTO account VALUES (1, ?, 900, 60, 2, ?, 1, ?, 3)`, ME, second.hash, START + 300)
  const key = `INSERT INTO keys (id, secret_hash, hint, name, scopes, models, limit_nanos, limit_period, rpm, tpm, concurrency, created_at,
    expires_at, revoked_at, spent_nanos, spent_since, held_nanos, open_holds, calls_level, tokens_level, levels_at)
    VALUES (?, ?, 'sk-souk-…', ?, '["inference"]', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  const daily = [
    200,
    'day',
    6,
    100,
    2,
    START,
    START + 86_400_000,
    null,
    100,
    DAY,
    60,
    1,
    5 * 60_000,
    40 * 60_000,
    START,
  ]
  sql.exec(key, DAILY, SECRET_HASH, 'daily', JSON.stringify([MODEL]), ...daily)
  const endless = [null, null, null, null, null, START, null, null, 7, 0, 0, 0, 0, 0, START]
  sql.exec(key, ENDLESS, OTHER_HASH, 'endless', null, ...endless)
  sql.exec(
    `INSERT INTO holds (call_id, key_id, model_id, amount_nanos, deadline, started_at) VALUES (?, ?, ?, 60, ?, ?)`,
    ...[OPEN, DAILY, MODEL, START + 60_000, START],
  )
  for (const { seq, prevHash, hash, body } of [first, second])
    sql.exec('INSERT INTO lines VALUES (?, ?, ?, ?, ?)', seq, `transfer ${seq}`, prevHash, hash, body)
  sql.exec(`INSERT INTO credits_out VALUES (?, 'sending', 2, 2, 95, ?, 1)`, OPERATOR, START + 300)
  sql.exec(`INSERT INTO credits_in VALUES (?, 17)`, OPERATOR)
}

/** In a Durable Object whose own tables were dropped first. */
async function withOldGuard<T>(work: (account: Account, sql: SqlStorage) => Promise<T>): Promise<T> {
  const stub = env.ACCOUNT.get(env.ACCOUNT.newUniqueId())
  return runInDurableObject(stub, async (guard, { storage }) => {
    if (!(guard instanceof AccountGuard)) throw new Error('not an account’s guard')
    await storage.deleteAll()
    migrateGuard(storage, 1)
    expect(storage.sql.exec('SELECT max(version) AS version FROM schema_version').one()).toEqual({ version: 1 })
    fillOld(storage.sql)
    return work(new Account(storage, { ...guard.needs, clock: aClock() }), storage.sql)
  })
}

describe('a guard of the first release', () => {
  it('keeps its balance, its journal and what is open and under way', () =>
    withOldGuard(async (account, sql) => {
      expect(await account.balance()).toEqual({ availableNanos: 840n, heldNanos: 60n, vestingNanos: 0n })
      expect(findBreak(await account.lines(0, 10))).toBeNull()
      expect(await account.lines(0, 10)).toHaveLength(2)
      expect(await account.head()).toMatchObject({ accountId: ME, seq: 2, balanceNanos: 900n })
      expect(sql.exec('SELECT payee, state, from_seq, to_seq, sum_nanos, tries FROM credits_out').toArray()).toEqual([
        { payee: OPERATOR, state: 'sending', from_seq: 2, to_seq: 2, sum_nanos: 95, tries: 1 },
      ])
      expect(sql.exec('SELECT * FROM credits_in').toArray()).toEqual([{ payer: OPERATOR, to_seq: 17 }])
      expect(sql.exec('SELECT projected_seq, project_tries, book, frozen FROM account').one()).toEqual({
        projected_seq: 1,
        project_tries: 3,
        book: 0,
        frozen: null,
      })
    }))

  it('keeps its keys, their limits and everything that counts against them', () =>
    withOldGuard(async (account) => {
      const { data } = await account.listKeys(null, 10)
      expect(data).toMatchObject([
        { id: ENDLESS, name: 'endless', models: null, limit: null, rateLimit: { rpm: null }, openCalls: 0 },
        {
          id: DAILY,
          name: 'daily',
          models: [MODEL],
          nodes: null,
          limit: { usd: '0.000000200', period: 'day', shadow: false, spent: '0.000000100', held: '0.000000060' },
          rateLimit: { rpm: 6, tpm: 100, concurrency: 2, shadow: false },
          openCalls: 1,
          oldKeyUntil: null,
          revokedAt: null,
          expiresAt: new Date(START + 86_400_000).toISOString(),
        },
      ])
      // All keys together: what they hold is the account's.
      expect(await account.limits()).toMatchObject({ limit: null, held: '0.000000060', openCalls: 1 })
      const payer = { clock: aClock(), keyId: DAILY }
      expect(await account.hold(aHold(payer, 41n))).toMatchObject({ code: 'key_budget_exceeded' })
      expect(await account.hold(aHold(payer, 40n))).toMatchObject({
        ok: true,
        headroom: { requests: { remaining: 4 }, tokens: { remaining: 30 } },
      })
      expect(await account.hold(aHold(payer, 0n))).toMatchObject({ code: 'concurrency_limited' })
    }))

  it('captures the hold that was open, and ends it once', () =>
    withOldGuard(async (account, sql) => {
      const end = anEnd({ clock: aClock() }, OPEN, { legs: legsOf(ME, 50n, OPERATOR), endedAt: instant(START + 5) })
      const captured = await account.capture(end)
      expect(captured).toEqual({ ok: true, chargeNanos: 50n, seq: 3 })
      expect(await account.capture(end)).toEqual(captured)
      expect(await account.balance()).toEqual({ availableNanos: 850n, heldNanos: 0n, vestingNanos: 0n })
      expect((await account.listKeys(null, 10)).data[1]?.limit).toMatchObject({ spent: '0.000000150' })
      expect(sql.exec(`SELECT open_holds, held_nanos FROM limits WHERE subject = 'account'`).one()).toEqual({
        open_holds: 0,
        held_nanos: 0,
      })
      // What was under way stays as it was sent; what is earned now gathers behind it.
      const credits = sql.exec('SELECT state, sum_nanos FROM credits_out ORDER BY state').toArray()
      expect(credits).toMatchObject([{ state: 'gathering' }, { state: 'sending', sum_nanos: 95 }])
    }))

  it('ends a hold by the progress and the receipt that were stored before there were tensor bytes', () =>
    withOldGuard(async (account, sql) => {
      const units = { callId: OPEN, attempt: 0, nodeId: NODE, inputTokens: 1, outputTokens: 30 }
      const price = {
        inputPerMillion: '0',
        outputPerMillion: '1000000',
        cachedInputPerMillion: '0',
        bytesPerMillion: '9',
        perCall: '0',
      }
      const terms = { price, operator: OPERATOR, author: OPERATOR, royaltyBps: 0, feeBps: 500, vesting: null }
      const receipt = { ...units, outputTokens: 29, receipt: 'receipt.jws', ticket: 'ticket.jws' }
      sql.exec(
        'UPDATE holds SET progress = ?, receipt = ?',
        JSON.stringify({ ...units, terms }),
        JSON.stringify(receipt),
      )
      expire(openStores(sql), OPEN, instant(START + 60_000))
      expect(await account.call(OPEN)).toMatchObject({ outcome: 'expired', chargeNanos: 29n, outputTokens: 29n })
      expect((await account.call(OPEN))?.tensorBytes).toBeUndefined()
    }))

  it('is migrated once: opening it again changes nothing', () =>
    withOldGuard(async (account, sql) => {
      const dump = () => sql.exec('SELECT * FROM limits ORDER BY subject').toArray()
      const before = dump()
      migrateGuard(account.storage)
      expect(dump()).toEqual(before)
      expect(sql.exec('SELECT count(*) AS count FROM schema_version').one()).toEqual({ count: 4 })
    }))
})
