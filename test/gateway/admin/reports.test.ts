import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { COMPLAINTS } from '../../../gateway/core/limits.ts'
import { ReportPage, ReportView } from '../../../protocol/disputes.ts'
import { instant, newAccountId } from '../../../protocol/units.ts'
import { plannedFailures } from '../ledger/ledger-house.ts'
import { ADMIN, admin, signedIn } from '../ledger/money-house.ts'
import { anOffice } from './office.ts'

plannedFailures()

beforeAll(async () => {
  const insert = `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, created_at) VALUES (?, ?, 'chat', 'a', 0, '{}', 1)`
  await env.DB.prepare(insert).bind('bad/model', 'd1').run()
})

const about = { about: 'model', id: 'bad/model', kind: 'illegal', words: 'It is.' }
async function aStory() {
  const office = await anOffice()
  const reporter = newAccountId(systemRandom)
  const report = (over: object = {}) =>
    office.ask<z.infer<typeof ReportView>>(signedIn(reporter), 'POST', '/reports', { ...about, ...over })
  const decide = (id: string, over: object = {}) =>
    office.ask<z.infer<typeof ReportView>>(
      signedIn(ADMIN, ['admin'], instant(office.clock())),
      'POST',
      `/admin/reports/${id}/decide`,
      { decision: 'acted', answer: 'Blocked.', version: 1, ...over },
    )
  return { ...office, reporter, report, decide }
}

describe('a report', () => {
  it('is read by admins and decided once', async () => {
    const { report, reporter, ask, decide } = await aStory()
    const made = await report()
    expect(made.status).toBe(201)
    expect(ReportView.parse(made.body)).toMatchObject({
      ...{ about: 'model', subject: 'bad/model', kind: 'illegal', reporter, state: 'open', version: 1 },
    })
    const { data } = ReportPage.parse((await ask(admin, 'GET', '/admin/reports?state=open')).body)
    expect(data.map(({ id }) => id)).toContain(made.body.id)
    expect((await decide(made.body.id)).body).toMatchObject({ state: 'acted', answer: 'Blocked.', version: 2 })
    expect((await decide(made.body.id, { version: 2 })).code).toBe('changed_meanwhile')
  })

  it('decided by two at once is decided by one, and the other is told', async () => {
    const { report, decide } = await aStory()
    const { body } = await report()
    const both = await Promise.all([decide(body.id), decide(body.id, { decision: 'dismissed' })])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(both.find(({ status }) => status === 409)?.code).toBe('changed_meanwhile')
  })

  it('is about something that is there, by somebody signed in', async () => {
    const { report, ask } = await aStory()
    expect((await report({ id: 'no/model' })).code).toBe('model_not_found')
    expect((await report({ about: 'node', id: 'node_x' })).code).toBe('not_found')
    expect((await ask(null, 'POST', '/reports', about)).code).toBe('not_signed_in')
    expect((await ask(signedIn(ADMIN), 'GET', '/admin/reports')).code).toBe('forbidden')
  })

  it('comes so many times a day from one account, also when they come at once', async () => {
    const { report, clock } = await aStory()
    const many = await Promise.all(Array.from({ length: COMPLAINTS.reportsPerDay + 2 }, () => report()))
    expect(many.filter(({ status }) => status === 201)).toHaveLength(COMPLAINTS.reportsPerDay)
    expect(many.filter(({ code }) => code === 'rate_limited')).toHaveLength(2)
    clock.advance(86_400_001)
    expect((await report()).status).toBe(201)
  })
})
