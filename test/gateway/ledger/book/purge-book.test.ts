// Retention: at its limit and one before it, a bounded number of rows each time, and never the money.
import { env } from 'cloudflare:workers'
import { beforeEach, expect, it } from 'vitest'
import { generationView } from '../../../../gateway/inference/views/generation.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { purgeDatabases } from '../../../../gateway/ledger/book/purge-book.ts'
import { verifyAccounts } from '../../../../gateway/ledger/verification/verification.ts'
import { findBreak } from '../../../../protocol/journal.ts'
import { accounts, aClock, aHold, aPayer, callFor, START } from '../ledger-house.ts'
import { BOOKS } from '../story.ts'

const clock = aClock()
const purge = () => purgeDatabases({ db: env.DB, books: BOOKS, clock })
const count = (table: string) => env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')

beforeEach(async () => {
  await purge()
  await env.DB.batch(
    ['nonces', 'sessions', 'events', 'deliveries'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  )
})

async function aCallLongAgo() {
  const payer = await aPayer(1_000n, {}, clock)
  const { request } = await callFor(payer, 100n, payer.id)
  clock.advance(1_000)
  await payer.port.tick()
  const detail = () =>
    env.BOOK_0.prepare('SELECT detail FROM calls WHERE id = ?').bind(request.callId).first<string>('detail')
  return { payer, callId: request.callId, detail }
}

it('clears what explains a call after its time, in its guard and in the book, and a generation says so', async () => {
  const { payer, callId, detail } = await aCallLongAgo()
  clock.advance(LEDGER.detailKeptMs - 1_001)
  await payer.port.tick()
  expect(await purge()).toBe(0)
  expect((await payer.port.call(callId))?.detail).not.toBeNull()
  expect(await detail()).toContain('"choice"')
  clock.advance(1)
  await payer.port.tick()
  expect(await purge()).toBe(1)
  expect(await detail()).toBe('null')
  const call = await payer.port.call(callId)
  expect(call).toMatchObject({ detail: null, chargeNanos: 100n, outcome: 'complete' })
  if (!call) throw new Error('the call stays')
  expect(generationView(callId, call)).toMatchObject({
    purged: true,
    attempts: null,
    choice: null,
    receipt: null,
    usage: { cost: '0.000000100' },
  })
  expect([await purge(), findBreak(await payer.lines())]).toEqual([0, null])
})

it('leaves lines, legs, facts and sums alone, so that verification finds nothing afterwards', async () => {
  const { payer } = await aCallLongAgo()
  const money = async () =>
    Promise.all(
      [
        'SELECT * FROM lines',
        'SELECT * FROM legs',
        'SELECT * FROM rollups_hour',
        'SELECT id, charge_nanos, hold_nanos, outcome FROM calls',
      ].map(async (query) => (await env.BOOK_0.prepare(query).all()).results),
    )
  const before = await money()
  clock.advance(LEDGER.detailKeptMs)
  await payer.port.tick()
  await purge()
  expect(await money()).toEqual(before)
  expect(await verifyAccounts({ db: env.DB, books: BOOKS, accounts, clock }, [{ id: payer.id, book: 0 }])).toEqual([])
  expect((await payer.port.selfCheck('first')).breaches).toEqual([])
})

it('leaves open holds alone, however old they are', async () => {
  const payer = await aPayer(1_000n, {}, clock)
  const request = aHold(payer, 10n, { deadline: (START + 10 * LEDGER.detailKeptMs) as typeof START })
  await payer.port.hold(request)
  clock.advance(2 * LEDGER.detailKeptMs)
  await payer.port.tick()
  expect(await payer.sql('SELECT state FROM holds')).toEqual([{ state: 'open' }])
})

it('clears so many at a time in a guard, and wakes it for the rest', { timeout: 30_000 }, async () => {
  const payer = await aPayer(1_000_000n, {}, clock)
  for (let i = 0; i <= LEDGER.purgeCallsMax; i++) await callFor(payer, 1n, payer.id)
  clock.advance(1_000)
  await payer.alarm()
  clock.advance(LEDGER.detailKeptMs)
  const kept = async () => (await payer.sql('SELECT call_id FROM holds WHERE detail IS NOT NULL')).length
  await payer.port.tick()
  expect(await kept()).toBe(1)
  expect(await payer.alarm()).toBe(true)
  expect(await kept()).toBe(0)
  // Nothing is left to do, so nobody wakes it.
  expect(await payer.alarm()).toBe(false)
})

it('deletes nonces and sessions that have expired, and no others', async () => {
  const now = clock()
  for (const [n, expiresAt] of [now, now + 1].entries())
    await env.DB.batch([
      env.DB.prepare('INSERT INTO nonces (nonce, expires_at) VALUES (?, ?)').bind(`n${n}`, expiresAt),
      env.DB.prepare(
        `INSERT INTO sessions (token_hash, account_id, address, created_at, expires_at) VALUES (?, 'a', '0x', 0, ?)`,
      ).bind(`s${n}`, expiresAt),
    ])
  expect(await purge()).toBe(2)
  expect([await count('nonces'), await count('sessions'), await purge()]).toEqual([1, 1, 0])
})

it('deletes events and deliveries after a month, and none that somebody is still to be told of', async () => {
  const old = clock() - LEDGER.eventsKeptMs
  const event = (id: string, spreadAt: number | null) =>
    env.DB.prepare(
      `INSERT INTO events (id, account_id, kind, data, at, spread_at) VALUES (?, 'a', 'test', '{}', 0, ?)`,
    ).bind(id, spreadAt)
  const delivery = (id: string, of: string, at: number, nextAt: number | null) =>
    env.DB.prepare(
      `INSERT INTO deliveries (id, webhook_id, event_id, state, tries, next_at, created_at) VALUES (?, ?, ?, 'pending', 0, ?, ?)`,
    ).bind(id, id, of, nextAt, at)
  await env.DB.batch([
    ...[event('done', old), event('young', old + 1), event('new', null), event('waiting', old)],
    ...[delivery('d1', 'done', old, null), delivery('d2', 'young', old + 1, null), delivery('d3', 'waiting', old, 1)],
  ])
  await purge()
  await purge()
  const ids = async (table: string) =>
    (await env.DB.prepare(`SELECT id FROM ${table} ORDER BY id`).all<{ id: string }>()).results.map(({ id }) => id)
  expect([await ids('events'), await ids('deliveries')]).toEqual([
    ['new', 'waiting', 'young'],
    ['d2', 'd3'],
  ])
})
