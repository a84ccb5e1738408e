// A month that really ends: its calls are made on both sides of midnight, the crons of the app go by, and what they wrote is read and checked by the very
// code that the dashboard checks it with.
import { createExecutionContext, env } from 'cloudflare:test'
import { calculateJwkThumbprint } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { CRONS, runCron } from '../../../../gateway/cron.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { isSignedBy } from '../../../../gateway/dashboard/billing/signed-statement.ts'
import { sliceOf } from '../../../../gateway/ledger/book/sweep.ts'
import { createServices } from '../../../../gateway/services.ts'
import { base64url, sha256Hex } from '../../../../protocol/canonical.ts'
import { Jwks } from '../../../../protocol/journal-export.ts'
import { statementCsv } from '../../../../protocol/statement-csv.ts'
import { SignedStatement } from '../../../../protocol/statement.ts'
import { newAccountId, toUsd, type AccountId } from '../../../../protocol/units.ts'
import { aClock, anAccount, aPayer, plannedFailures, START } from '../ledger-house.ts'
import { provenCall } from './journal-house.ts'

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000]
const OTHER_KEY = 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw'
const JULY = Date.UTC(2040, 6)

plannedFailures()

let house: Awaited<ReturnType<typeof aMonth>>
beforeAll(async () => void (house = await aMonth()))

/** An account with a call in the last millisecond of June and one in the first of July, in an app whose crons go by this clock. */
async function aMonth() {
  const clock = aClock()
  const payer = await aPayer(1_000_000_000n, {}, clock)
  const token = base64url(systemRandom(32))
  await env.DB.batch([
    env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(payer.id, START),
    env.DB.prepare("INSERT INTO wallets (address, account_id, role, added_at) VALUES ('0x1', ?, 'billing', 0)").bind(
      payer.id,
    ),
    env.DB.prepare(
      "INSERT INTO sessions (token_hash, account_id, address, created_at, expires_at) VALUES (?, ?, '0x1', ?, ?)",
    ).bind(sha256Hex(token), payer.id, START, START + 90 * DAY_MS),
  ])
  const services = { ...(await createServices(env)), clock }
  const app = createApp(services)
  const get = async (path: string) => {
    const headers = { authorization: `Bearer ${token}` }
    return app.fetch(new Request(`https://souk.test${path}`, { headers }), env, createExecutionContext())
  }
  const operator = (await anAccount(clock)).id
  const at = (time: number) => clock.advance(time - clock())
  /** as wrangler.toml spells them, each once */
  const crons = async (time: number) => {
    at(time)
    for (const cron of Object.keys(CRONS)) await runCron(services, cron)
  }
  // Its turn on the last day: the month is not over.
  await crons(minuteOf(payer.id, JULY - DAY_MS))
  at(JULY - 1)
  const june = await provenCall(payer, operator)
  return {
    payer,
    june,
    get,
    at,
    crons,
    callInJuly: async () => {
      at(JULY)
      return provenCall(payer, operator)
    },
    list: async () => (await (await get('/api/statements')).json<{ data: { number: number; month: string }[] }>()).data,
  }
}

/** The minute of this day in which the cron looks at the account. */
function minuteOf(id: AccountId, day: number): number {
  for (let at = day; at < day + DAY_MS; at += MINUTE_MS) {
    const { from, before } = sliceOf((at / MINUTE_MS) % 1_440)
    if (id >= from && (before === null || id < before)) return at
  }
  throw new Error('every account has its minute')
}

describe('a month that ends', () => {
  it('has its statement when the crons have gone by, and none before', async () => {
    const { payer, crons, callInJuly, list } = house
    await callInJuly()
    const turn = minuteOf(payer.id, JULY)
    const first = turn < JULY + HOUR_MS ? turn + DAY_MS : turn
    // Its turn within the hour after midnight is too early, and so is every other account's turn.
    const before = [JULY, ...(turn < first ? [turn] : []), JULY + HOUR_MS - MINUTE_MS, first - MINUTE_MS]
    for (const time of before.sort((a, b) => a - b)) await crons(time)
    expect(await list()).toEqual([])
    await crons(first)
    expect(await list()).toMatchObject([{ number: 1, month: '2040-06' }])
    await crons(first)
    await crons(first + DAY_MS)
    expect(await list()).toHaveLength(1)
  })

  it('is told by what the dashboard checks: the sums of June alone, signed by a published key', async () => {
    const { payer, june, get } = house
    const signed = SignedStatement.parse(await (await get('/api/statements/1')).json())
    const jwks = Jwks.parse(await (await get('/.well-known/jwks.json')).json())
    expect(await isSignedBy(signed, jwks)).toBe(true)
    expect(signed.statement).toMatchObject({
      ...{ accountId: payer.id, month: '2040-06', lines: 2, paidIn: '1.000000000' },
      calls: { count: 1, charged: 1, inputTokens: 12, outputTokens: 100, charge: toUsd(june.chargeNanos) },
    })
    const csv = await get('/api/statements/1?format=csv')
    expect(await csv.text()).toBe(statementCsv(signed.statement))
  })

  it.each<[string, (signed: SignedStatement) => SignedStatement]>([
    ['a sum', ({ statement, signature }) => ({ statement: { ...statement, paidIn: '1.000000001' }, signature })],
    ['its month', ({ statement, signature }) => ({ statement: { ...statement, month: '2040-07' }, signature })],
    ['its number', ({ statement, signature }) => ({ statement: { ...statement, number: 2 }, signature })],
    [
      'its account',
      ({ statement, signature }) => ({ statement: { ...statement, accountId: newAccountId(systemRandom) }, signature }),
    ],
    ['its signature', ({ statement, signature }) => ({ statement, signature: signature.slice(0, -4) + 'AAAA' })],
    ['what was signed', ({ statement, signature }) => ({ statement, signature: signature.replace('.', '.e') })],
  ])('is not what the gateway signed when %s is another one', async (_, change) => {
    const signed = SignedStatement.parse(await (await house.get('/api/statements/1')).json())
    const jwks = Jwks.parse(await (await house.get('/.well-known/jwks.json')).json())
    expect(await isSignedBy(change(signed), jwks)).toBe(false)
  })

  it('is signed by no other key, and a key under another’s name is none', async () => {
    const signed = SignedStatement.parse(await (await house.get('/api/statements/1')).json())
    const jwks = Jwks.parse(await (await house.get('/.well-known/jwks.json')).json())
    const others = jwks.keys.map((key) => ({ ...key, x: OTHER_KEY }))
    await expect(isSignedBy(signed, { keys: others })).rejects.toThrow('not named by its thumbprint')
    const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: OTHER_KEY })
    expect(await isSignedBy(signed, { keys: others.map((key) => ({ ...key, kid })) })).toBe(false)
  })

  it('goes on: July begins with what June ended with, and has the call of its first millisecond', async () => {
    const { payer, crons, get } = house
    await crons(minuteOf(payer.id, Date.UTC(2040, 7, 2)))
    const read = async (number: number) =>
      SignedStatement.parse(await (await get(`/api/statements/${number}`)).json()).statement
    const [june, july] = [await read(1), await read(2)]
    expect(july).toMatchObject({ month: '2040-07', lines: 1, opening: june.closing, calls: { count: 1 } })
  })
})
