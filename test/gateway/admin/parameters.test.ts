import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createParameters, defaultsOf, valuesAt } from '../../../gateway/core/parameters.ts'
import { PARAMETERS_FRESH, SIGN_IN } from '../../../gateway/core/limits.ts'
import { PARAMETER_RULES, ParameterHistory, ParameterList, ParameterView } from '../../../protocol/parameters.ts'
import { instant } from '../../../protocol/units.ts'
import { aClock, plannedFailures, START } from '../ledger/ledger-house.ts'
import { ADMIN, admin, signedIn, WALLET } from '../ledger/money-house.ts'
import { anOffice, CONFIG } from './office.ts'

plannedFailures()

const DAY_MS = 86_400_000
const change = (value: number, version: number) => ({ value, reason: 'because', version })
const freshly = (now: number) => signedIn(ADMIN, ['admin'], instant(now))
const later = (work: Promise<unknown>) => void work.catch(() => undefined)

describe('parameters', () => {
  it('are the configured ones until somebody sets one', async () => {
    const { ask } = await anOffice()
    const { data } = ParameterList.parse((await ask(admin, 'GET', '/admin/parameters')).body)
    expect(data.map(({ name }) => name)).toEqual(Object.keys(PARAMETER_RULES))
    expect(data.find(({ name }) => name === 'feeBps')).toMatchObject({
      ...{ value: CONFIG.feeBps, isDefault: true, version: 0, pending: null, ...PARAMETER_RULES.feeBps },
    })
  })

  it('wait their time-lock, then hold; the history says who, when and why', async () => {
    const office = await anOffice()
    const { clock, parameters } = office
    const set = await office.ask(freshly(clock()), 'PUT', '/admin/parameters/feeBps', change(300, 0))
    expect(ParameterView.parse(set.body)).toMatchObject({
      ...{ value: CONFIG.feeBps, isDefault: true, version: 1 },
      pending: { value: 300, reason: 'because', by: WALLET, effectiveAt: new Date(clock() + DAY_MS).toISOString() },
    })
    expect((await parameters.now(later)).feeBps).toBe(CONFIG.feeBps)
    clock.advance(DAY_MS - 1)
    expect((await parameters.now(later)).feeBps).toBe(CONFIG.feeBps)
    clock.advance(1)
    expect((await parameters.now(later)).feeBps).toBe(300)
    const { body } = await office.ask(admin, 'GET', '/admin/parameters/feeBps/history')
    expect(ParameterHistory.parse(body).data).toMatchObject([{ value: 300, before: CONFIG.feeBps, withdrawnAt: null }])
  })

  it('without a time-lock hold at once', async () => {
    const { ask, clock, parameters } = await anOffice()
    expect((await parameters.now(later)).auditBps).toBe(CONFIG.auditBps)
    await ask(freshly(clock()), 'PUT', '/admin/parameters/auditBps', change(0, 0))
    expect((await parameters.now(later)).auditBps).toBe(0)
  })

  it('that wait can be taken back, and leave a trace', async () => {
    const { ask, clock, parameters } = await anOffice()
    await ask(freshly(clock()), 'PUT', '/admin/parameters/disputeDays', change(14, 0))
    const taken = await ask(freshly(clock()), 'DELETE', '/admin/parameters/disputeDays/pending')
    expect(taken.body).toMatchObject({ pending: null, version: 2, isDefault: true })
    clock.advance(2 * DAY_MS)
    expect((await parameters.now(later)).disputeDays).toBe(7)
    const again = await ask(freshly(clock()), 'DELETE', '/admin/parameters/disputeDays/pending')
    expect([again.status, again.code]).toEqual([404, 'not_found'])
    const { body } = await ask(admin, 'GET', '/admin/parameters/disputeDays/history')
    expect(ParameterHistory.parse(body).data[0]?.withdrawnAt).not.toBeNull()
  })

  it('changed by two at once are changed by one: the other is told, and nothing is lost', async () => {
    const { ask, clock } = await anOffice()
    const put = (value: number, version: number) =>
      ask(freshly(clock()), 'PUT', '/admin/parameters/probationCalls', change(value, version))
    const both = await Promise.all([put(30, 0), put(40, 0), put(50, 0)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    for (const { code } of both.filter(({ status }) => status === 409)) expect(code).toBe('changed_meanwhile')
    const { data } = ParameterHistory.parse((await ask(admin, 'GET', '/admin/parameters/probationCalls/history')).body)
    expect(data).toHaveLength(1)
    // Who looks again is told that one waits.
    expect((await put(60, 1)).code).toBe('conflict')
  })

  it.each([
    ['below its bounds', 'probationShareBps', 99, 'invalid_request'],
    ['above its bounds', 'feeBps', 5_001, 'invalid_request'],
    ['that it is already', 'probationVestingBps', 5_000, 'invalid_request'],
    ['of a parameter that is none', 'nothing', 1, 'not_found'],
  ])('refuse a value %s', async (_, name, value, code) => {
    const { ask, clock } = await anOffice()
    expect((await ask(freshly(clock()), 'PUT', `/admin/parameters/${name}`, change(value, 0))).code).toBe(code)
  })

  it('are nobody’s but an admin’s, and changed only by a wallet that signed lately', async () => {
    const { ask, clock } = await anOffice()
    expect((await ask(null, 'GET', '/admin/parameters')).status).toBe(401)
    expect((await ask(signedIn(ADMIN), 'GET', '/admin/parameters')).status).toBe(403)
    clock.advance(SIGN_IN.freshMs + 1)
    expect((await ask(admin, 'PUT', '/admin/parameters/feeBps', change(1, 0))).code).toBe('fresh_sign_in_required')
  })
})

describe('an isolate', () => {
  it('reads parameters once, and anew behind whoever finds them old', async () => {
    const clock = aClock()
    let reads = 0
    const db = new Proxy(env.DB, {
      get: (target, name: keyof D1Database) => {
        if (name === 'prepare') reads += 1
        return (target[name] as (...args: never[]) => unknown).bind(target)
      },
    })
    const parameters = createParameters({ db, clock, defaults: defaultsOf(CONFIG) })
    const behind: Promise<unknown>[] = []
    const now = () => parameters.now((work) => behind.push(work))
    await now()
    for (let n = 0; n < 100; n++) await now()
    expect([reads, behind.length]).toEqual([1, 0])
    clock.advance(PARAMETERS_FRESH.freshMs)
    await Promise.all([now(), now()])
    expect(behind).toHaveLength(1)
    await Promise.all(behind)
    expect(reads).toBe(2)
    await now()
    expect(behind).toHaveLength(1)
  })

  it('goes on with what it has when the registry is away, and waits for it only after minutes', async () => {
    const clock = aClock()
    let isAway = false
    const db = new Proxy(env.DB, {
      get: (target, name: keyof D1Database) => {
        if (isAway) throw new Error('planned')
        return (target[name] as (...args: never[]) => unknown).bind(target)
      },
    })
    const parameters = createParameters({ db, clock, defaults: defaultsOf(CONFIG) })
    await parameters.now(later)
    isAway = true
    clock.advance(PARAMETERS_FRESH.staleMs - 1)
    expect((await parameters.now(later)).feeBps).toBe(CONFIG.feeBps)
    clock.advance(1)
    await expect(parameters.now(later)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

it('the last value that holds counts, in order of their numbers', () => {
  const defaults = defaultsOf(CONFIG)
  const set = (n: number, value: number, effectiveAt: number) => ({ name: 'feeBps', n, value, effectiveAt })
  const at = (list: ReturnType<typeof set>[], now: number) => valuesAt(defaults, list, instant(now)).feeBps
  expect(at([], START)).toBe(CONFIG.feeBps)
  expect(at([set(2, 20, 200), set(1, 10, 100)], 99)).toBe(CONFIG.feeBps)
  expect(at([set(2, 20, 200), set(1, 10, 100)], 199)).toBe(10)
  expect(at([set(2, 20, 200), set(1, 10, 100)], 200)).toBe(20)
  expect(valuesAt(defaults, [{ name: 'gone', n: 1, value: 1, effectiveAt: 0 }], instant(1))).toEqual(defaults)
})
