// What the house has set reaches the crons and the days of a dispute through the same reading as calls do.
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { unawaited } from '../../../gateway/core/parameters.ts'
import { earnedState } from '../../../gateway/market/admission/admission.ts'
import { vestingOf } from '../../../gateway/market/admission/vesting.ts'
import { runCron } from '../../../gateway/cron.ts'
import { createServices } from '../../../gateway/services.ts'
import { instant, newAccountId, nanos } from '../../../protocol/units.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'

afterEach(async () => {
  vi.restoreAllMocks()
  await env.DB.exec('DELETE FROM parameter_entries')
})

const set = (name: string, value: number, effectiveAt = 0) =>
  env.DB.prepare(
    `INSERT INTO parameter_entries (id, name, n, value, before, reason, by, at, effective_at) VALUES (?1, ?1, 1, ?2, 0, 'x', 'y', 0, ?3)`,
  )
    .bind(name, value, effectiveAt)
    .run()

describe('audits', () => {
  /** How often the audits' run asked what was called: the first thing it does when it may spend anything. */
  const runs = async () => {
    const services = await createServices(env)
    const called = vi.fn(() => Promise.resolve([]))
    const auditTraffic = { ...services.auditTraffic, called, revenueSince: () => Promise.resolve(nanos(0n)) }
    await runCron({ ...services, auditTraffic }, '0-59 * * * *')
    return called.mock.calls.length
  }

  it('run at the configured budget, and not at one of nothing', async () => {
    expect(await runs()).toBe(1)
    await set('auditBps', 0)
    expect(await runs()).toBe(0)
  })

  it('go on until a change holds', async () => {
    await set('auditBps', 0, Date.now() + 3_600_000)
    expect(await runs()).toBe(1)
  })
})

it('a deployment reads what is set over what is configured', async () => {
  const { parameters, config } = await createServices(env)
  expect((await parameters.now(unawaited)).feeBps).toBe(config.feeBps)
  await set('feeBps', 42)
  parameters.forget()
  expect((await parameters.now(unawaited)).feeBps).toBe(42)
})

it('the rules take what is set', () => {
  expect([earnedState(4, 5), earnedState(5, 5)]).toEqual(['probation', 'active'])
  const [operator, payer] = [newAccountId(systemRandom), newAccountId(systemRandom)]
  expect(vestingOf('probation', operator, payer, instant(0), 1_000)?.shareBps).toBe(1_000)
  expect(vestingOf('probation', operator, payer, instant(0), 0)).toBeNull()
})
