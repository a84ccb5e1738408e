import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { targetOf } from '../../../gateway/admin/log.ts'
import { LOGGED_CHARS, withoutSecrets } from '../../../gateway/admin/logged-body.ts'
import { createApp } from '../../../gateway/app.ts'
import { createServices } from '../../../gateway/services.ts'
import { adminActs, OUTCOME } from '../../../protocol/admin-acts.ts'
import { ADMIN_LOG_START, adminLogHash, verifyAdminLog } from '../../../protocol/admin-log.ts'
import { base64url, sha256Hex } from '../../../protocol/canonical.ts'
import { AdminLogCheck, AdminLogPage, type AdminLogEntry } from '../../../protocol/parameters.ts'
import { instant } from '../../../protocol/units.ts'
import { aClock, plannedFailures } from '../ledger/ledger-house.ts'
import { ADMIN, admin, signedIn, WALLET } from '../ledger/money-house.ts'
import { anOffice } from './office.ts'

plannedFailures()

beforeEach(() => env.DB.exec('DELETE FROM admin_log; DELETE FROM parameter_entries;'))

const ADDRESS = '0x00000000000000000000000000000000000000AA'
const change = (version: number, value = 100) => ({ value, reason: 'why', version })
type Office = Awaited<ReturnType<typeof anOffice>>
const read = async ({ ask }: Office) => AdminLogPage.parse((await ask(admin, 'GET', '/admin/log')).body).data
const acts = async (office: Office) => adminActs(await read(office))
const check = async ({ ask }: Office) => AdminLogCheck.parse((await ask(admin, 'GET', '/admin/log/check')).body)
const set = (office: Office, value: number, version: number) =>
  office.ask(signedIn(ADMIN, ['admin'], office.clock()), 'PUT', '/admin/parameters/auditBps', change(version, value))

describe('what an admin does', () => {
  it('is entered before it is done, with what it is done to, and again with what came of it, also what was refused', async () => {
    const office = await anOffice()
    await set(office, 100, 0)
    await set(office, 100, 7)
    await office.ask(admin, 'PUT', '/admin/parameters/nothing', change(0))
    await office.ask(signedIn(ADMIN, ['admin'], instant(0)), 'DELETE', '/admin/parameters/feeBps/pending')
    const done = await acts(office)
    const action = 'PUT /api/admin/parameters/:name'
    expect(done.map(({ entry: { seq, action, target }, status, code }) => [seq, status, code, action, target])).toEqual(
      [
        [7, 401, 'fresh_sign_in_required', 'DELETE /api/admin/parameters/:name/pending', { name: 'feeBps' }],
        [5, 404, 'not_found', action, { name: 'nothing' }],
        [3, 409, 'changed_meanwhile', action, { name: 'auditBps' }],
        [1, 200, null, action, { name: 'auditBps' }],
      ],
    )
    const who = { by: WALLET, accountId: ADMIN, requestId: 'req_test' }
    expect((await read(office)).slice(-2)).toMatchObject([
      { ...who, seq: 2, action: OUTCOME, target: { entry: '1' }, body: '', status: 200 },
      { ...who, seq: 1, body: JSON.stringify(change(0)), status: 0 },
    ])
    expect(await check(office)).toMatchObject({ ok: true, entries: 8, head: { seq: 8 }, wrong: null })
  })

  it('is written down only when something was tried: reading is not, nor what others do', async () => {
    const office = await anOffice()
    await office.ask(admin, 'GET', '/admin/parameters')
    await office.ask(admin, 'POST', '/admin/there-is-no-such-route', {})
    await office.ask(signedIn(ADMIN), 'PUT', '/admin/parameters/feeBps', change(0))
    expect(await read(office)).toEqual([])
    expect(await check(office)).toEqual({ ok: true, entries: 0, head: null, wrong: null })
  })

  it('is one chain, also when many act at the same moment', async () => {
    const office = await anOffice()
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => set(office, n, 0)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await read(office)).map(({ seq }) => seq)).toEqual(Array.from({ length: 24 }, (_, n) => 24 - n))
    expect((await acts(office)).map(({ status }) => status).sort()).toEqual([200, ...Array<number>(11).fill(409)])
    expect(await check(office)).toMatchObject({ ok: true, entries: 24 })
  })

  it('is not done when it cannot be entered first', async () => {
    const office = await anOffice(aClock(), failingFrom(1))
    const { code, text } = await set(office, 100, 0)
    expect([code, text.includes('Nothing was done')]).toEqual(['unavailable', true])
    expect(await changes()).toBe(0)
    expect(await read(office)).toEqual([])
  })

  it('has its entry though nobody comes back to say what came of it, and is answered as not available', async () => {
    const office = await anOffice(aClock(), failingFrom(2))
    const { code, text } = await set(office, 100, 0)
    expect([code, text.includes('It may have been done')]).toEqual(['unavailable', true])
    expect(await changes()).toBe(1)
    expect(await acts(office)).toMatchObject([{ entry: { seq: 1, target: { name: 'auditBps' } }, status: null }])
    // The next one goes on behind it.
    await set(await anOffice(), 200, 1)
    expect((await acts(office)).map(({ entry: { seq }, status }) => [seq, status])).toEqual([
      [2, 200],
      [1, null],
    ])
    expect(await check(office)).toMatchObject({ ok: true, entries: 3 })
  })
})

/** A registry that takes no entry from this one on. */
function failingFrom(entry: number): D1Database {
  let entries = 0
  return new Proxy(env.DB, {
    get: (target, name: keyof D1Database) => {
      const own = (target[name] as (...args: never[]) => unknown).bind(target)
      if (name !== 'prepare') return own
      return (sql: string) => {
        if (sql.includes('insert into "admin_log"') && ++entries >= entry) throw new Error('planned')
        return target.prepare(sql)
      }
    },
  })
}

const changes = async () =>
  (await env.DB.prepare('SELECT count(*) AS n FROM parameter_entries').first<{ n: number }>())?.n

describe('the chain', () => {
  const written = async () => {
    const office = await anOffice()
    for (let n = 0; n < 2; n++) await set(office, 100 + n, n)
    return office
  }
  const plant = (sql: string) => env.DB.prepare(sql).run()

  it.each([
    ['a body that was changed', `UPDATE admin_log SET body = '{}' WHERE seq = 2`, 2, 'hash'],
    ['an entry that was removed', 'DELETE FROM admin_log WHERE seq = 3', 3, 'gap'],
    ['the first that was removed', 'DELETE FROM admin_log WHERE seq = 1', 1, 'gap'],
    ['a hash that was changed', `UPDATE admin_log SET hash = prev_hash WHERE seq = 2`, 2, 'hash'],
    [
      'a signature of another entry',
      'UPDATE admin_log SET signature = (SELECT signature FROM admin_log WHERE seq = 1) WHERE seq = 4',
      4,
      'signature',
    ],
  ])('shows %s', async (_, sql, seq, what) => {
    const office = await written()
    expect((await check(office)).ok).toBe(true)
    await plant(sql)
    expect(await check(office)).toMatchObject({ ok: false, wrong: { seq, what }, entries: seq - 1 })
  })

  it('shows an entry that was made up whole, since its signature is nobody’s', async () => {
    const office = await written()
    const [last] = await read(office)
    const { key } = office
    const forged = { ...(last as AdminLogEntry), body: 'nothing' } // four were written
    const keys = key.jwks.keys
    const hash = adminLogHash(forged)
    expect(await verifyAdminLog([{ ...forged, hash }], null, keys)).toEqual({ ok: false, seq: 4, what: 'signature' })
    expect(await verifyAdminLog([last as AdminLogEntry], null, keys)).toEqual({ ok: true, entries: 1 })
    expect(await verifyAdminLog([last as AdminLogEntry], null, [])).toMatchObject({ what: 'signature' })
    expect(await verifyAdminLog([last as AdminLogEntry], ADMIN_LOG_START, keys)).toMatchObject({ what: 'gap' })
  })
})

describe('a body in the log', () => {
  it.each([
    ['{"secret":"x","usd":"1"}', '{"secret":"[redacted]","usd":"1"}'],
    [
      '{"a":{"apiKey":"x"},"b":[{"signature":"0x1"}]}',
      '{"a":{"apiKey":"[redacted]"},"b":[{"signature":"[redacted]"}]}',
    ],
    ['{"reason":"sk-souk-abc-def of theirs"}', '{"reason":"sk-souk-[redacted] of theirs"}'],
    ['{"reason":"Bearer abcdefghijklmnopqrst"}', '{"reason":"Bearer [redacted]"}'],
    [`{"reason":"${'t'.repeat(43)}"}`, '{"reason":"[redacted]"}'],
    ['not json', 'not json'],
    // What says what was done stays.
    [`{"address":"0x${'a'.repeat(40)}","hash":"0x${'b'.repeat(64)}"}`, null],
  ])('%s', (text, clean) => {
    expect(withoutSecrets(text)).toBe(clean ?? text)
  })

  it('is bounded', () => {
    expect(withoutSecrets('ab '.repeat(LOGGED_CHARS))).toHaveLength(LOGGED_CHARS + 1)
  })
})

it('names what a route was done to by its own words', () => {
  expect(targetOf('/api/admin/nodes/:id/suspend', '/api/admin/nodes/node_1/suspend')).toEqual({ id: 'node_1' })
  expect(targetOf('/api/a/:x{[^/]+}', '/api/a/b%2Fc')).toEqual({ x: 'b/c' })
  expect(targetOf('/api/a', '/api/a')).toEqual({})
})

describe('the real app', () => {
  it('writes down every state-changing route of admins, whoever mounted it', async () => {
    const app = createApp(await createServices({ ...env, SOUK_ADMINS: ADDRESS }))
    const routes = app.routes.filter(
      ({ method, path }) => path.startsWith('/api/admin/') && !['GET', 'ALL'].includes(method),
    )
    const wanted = [...new Set(routes.map(({ method, path }) => `${method} ${path}`))]
    expect(wanted.length).toBeGreaterThan(10)
    const token = await anAdminSession()
    for (const route of wanted) {
      const [method = '', path = ''] = route.split(' ')
      const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} }
      const url = `https://souk.test${path.replace(/:\w+(\{[^}]*\})?/g, 'x')}`
      const init = {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{}',
      }
      await app.request(url, init, env, context)
    }
    const { results } = await env.DB.prepare('SELECT action FROM admin_log WHERE status = 0 ORDER BY seq').all<{
      action: string
    }>()
    expect(results.map(({ action }) => action)).toEqual(wanted)
  })
})

/** Signed in with a wallet that the configuration names. */
async function anAdminSession(): Promise<string> {
  const token = base64url(crypto.getRandomValues(new Uint8Array(32)))
  await env.DB.batch([
    env.DB.prepare('INSERT OR IGNORE INTO accounts (id, created_at, book) VALUES (?, 1, 0)').bind(ADMIN),
    env.DB.prepare('INSERT OR REPLACE INTO wallets (address, account_id, added_at) VALUES (?, ?, 1)').bind(
      ADDRESS,
      ADMIN,
    ),
    env.DB.prepare(
      'INSERT INTO sessions (token_hash, account_id, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?)',
    ).bind(sha256Hex(token), ADMIN, ADDRESS, Date.now(), Date.now() + 600_000),
  ])
  return token
}
