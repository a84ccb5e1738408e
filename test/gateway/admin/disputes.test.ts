import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Accounts } from '../../../gateway/ledger/account-port.ts'
import { refundCall, type RefundOrder } from '../../../gateway/ledger/refunds/refund-flow.ts'
import { DisputePage, DisputeView, OwnDisputePage, type DisputeRequest } from '../../../protocol/disputes.ts'
import { instant, newAccountId } from '../../../protocol/units.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import type { z } from 'zod'
import { accounts, aPayer, callFor, plannedFailures, START } from '../ledger/ledger-house.ts'
import { ADMIN, admin, aRegistered, signedIn } from '../ledger/money-house.ts'
import { anOffice } from './office.ts'

plannedFailures()

const DAY_MS = 86_400_000

/** 1000 nanos, of which the operator has 920, the author 30. */
async function aStory(over: { accounts?: Accounts } = {}) {
  const payer = await aPayer(10_000n)
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(payer.id, START).run()
  const [operator, author] = [await aRegistered(payer.clock), await aRegistered(payer.clock)]
  const { request } = await callFor(payer, 1_000n, operator.id, author.id)
  payer.clock.advance(300)
  await payer.port.tick()
  const refundOf = over.accounts && { refundOf: (order: RefundOrder) => refundCall(over.accounts ?? accounts, order) }
  const office = await anOffice(payer.clock, env.DB, refundOf)
  const me = signedIn(payer.id)
  const said = (over: Partial<z.infer<typeof DisputeRequest>> = {}) =>
    office.ask<z.infer<typeof DisputeView>>(me, 'POST', '/disputes', {
      ...{ callId: request.callId, kind: 'wrong_answer', words: 'It said 5.' },
      ...over,
    })
  const decide = (id: string, over: object = {}) =>
    office.ask<z.infer<typeof DisputeView>>(
      signedIn(ADMIN, ['admin'], instant(payer.clock())),
      'POST',
      `/admin/disputes/${id}/decide`,
      { decision: 'refund', answer: 'You are right.', version: 1, ...over },
    )
  return { ...office, payer, operator, author, callId: request.callId, me, said, decide }
}
const available = async ({ port }: { port: ReturnType<Accounts> }) => (await port.balance()).availableNanos

describe('a dispute', () => {
  it('is of a call that its payer paid for, and is seen by its payer and by admins', async () => {
    const { said, callId, payer, ask, me } = await aStory()
    const made = await said()
    expect(made.status).toBe(201)
    expect(DisputeView.parse(made.body)).toMatchObject({
      ...{ callId, accountId: payer.id, kind: 'wrong_answer', words: 'It said 5.', state: 'open' },
      ...{ cost: '0.000001000', refunded: null, answer: null, decidedAt: null, version: 1, model: 'souk/tiny-chat' },
    })
    const mine = OwnDisputePage.parse((await ask(me, 'GET', '/disputes')).body)
    expect([mine.data.map(({ id }) => id), mine.days]).toEqual([[made.body.id], 7])
    expect(DisputePage.parse((await ask(signedIn(ADMIN), 'GET', '/disputes')).body).data).toEqual([])
    const open = DisputePage.parse((await ask(admin, 'GET', '/admin/disputes?state=open&limit=100')).body).data
    expect(open.map(({ id }) => id)).toContain(made.body.id)
    const over = DisputePage.parse((await ask(admin, 'GET', '/admin/disputes?state=rejected')).body).data
    expect(over.map(({ id }) => id)).not.toContain(made.body.id)
  })

  it('comes once, in time, for something that was paid, of one’s own', async () => {
    const { said, payer, operator, author, ask } = await aStory()
    const free = await callFor(payer, 0n, operator.id, author.id)
    const late = await callFor(payer, 10n, operator.id, author.id)
    const code = async (over: object) => {
      const { status, code } = await said(over)
      return [status, code]
    }
    expect(await code({ callId: 'call_nothing' })).toEqual([404, 'call_not_found'])
    expect(await code({ callId: free.request.callId })).toEqual([409, 'dispute_closed'])
    const stranger = signedIn(newAccountId(systemRandom))
    const theirs = { callId: late.request.callId, kind: 'other', words: 'x' }
    expect((await ask(stranger, 'POST', '/disputes', theirs)).code).toBe('call_not_found')
    expect((await ask(null, 'POST', '/disputes', theirs)).code).toBe('not_signed_in')
    const both = await Promise.all([said(), said()])
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
    payer.clock.advance(7 * DAY_MS - 300)
    expect((await said({ callId: late.request.callId })).status).toBe(201)
    const later = await callFor(payer, 10n, operator.id, author.id)
    payer.clock.advance(7 * DAY_MS + 1)
    expect(await code({ callId: later.request.callId })).toEqual([409, 'dispute_closed'])
  })

  it('is refunded: whole, at the earners’ expense, once', async () => {
    const { said, decide, payer, operator, author } = await aStory()
    const { body } = await said()
    const done = await decide(body.id)
    expect(DisputeView.parse(done.body)).toMatchObject({
      ...{ state: 'refunded', refunded: '0.000001000', answer: 'You are right.' },
    })
    expect([await available(payer), await available(operator), await available(author)]).toEqual([10_000n, 0n, 0n])
    expect((await decide(body.id)).code).toBe('changed_meanwhile')
    expect((await decide(body.id, { version: done.body.version })).code).toBe('changed_meanwhile')
    expect(await available(payer)).toBe(10_000n)
  })

  it('is refunded in part, at the house’s expense', async () => {
    const { said, decide, payer, operator } = await aStory()
    const { body } = await said()
    expect((await decide(body.id, { usd: '0.000002' })).code).toBe('refund_exceeds_charge')
    expect((await decide(body.id, { usd: '0' })).code).toBe('invalid_request')
    const done = await decide(body.id, { usd: '0.0000004', from: 'house' })
    expect(done.body).toMatchObject({ state: 'refunded', refunded: '0.000000400' })
    expect([await available(payer), await available(operator)]).toEqual([9_400n, 920n])
  })

  it('is rejected, or taken back by its payer, and then nobody decides it', async () => {
    const story = await aStory()
    const { body } = await story.said()
    const rejected = await story.decide(body.id, { decision: 'reject', answer: 'No.' })
    expect(rejected.body).toMatchObject({ state: 'rejected', answer: 'No.', refunded: null, version: 2 })
    const take = (id: string, version: number) => story.ask(story.me, 'POST', `/disputes/${id}/withdraw`, { version })
    expect((await take(body.id, 2)).code).toBe('changed_meanwhile')
    const { payer, operator } = story
    const other = await callFor(payer, 10n, operator.id)
    const second = await story.said({ callId: other.request.callId })
    const path = `/disputes/${second.body.id}/withdraw`
    expect((await story.ask(signedIn(operator.id), 'POST', path, { version: 1 })).code).toBe('not_found')
    expect((await take(second.body.id, 1)).body).toMatchObject({ state: 'withdrawn', version: 2 })
    expect((await story.decide(second.body.id, { version: 2 })).code).toBe('changed_meanwhile')
    expect(await available(payer)).toBe(8_990n)
  })

  it('decided by two at once is decided by one: the other is told, and the money is as the one said', async () => {
    const { said, decide, payer } = await aStory()
    const { body } = await said()
    const both = await Promise.all([decide(body.id), decide(body.id, { decision: 'reject' }), decide(body.id)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    for (const { code } of both.filter(({ status }) => status === 409)) expect(code).toBe('changed_meanwhile')
    const won = both.find(({ status }) => status === 200)?.body.state
    expect(await available(payer)).toBe(won === 'refunded' ? 10_000n : 9_000n)
  })

  it('whose refund was cut off is finished by deciding the same again, and by nothing else', async () => {
    let isCut = true
    const cut: Accounts = (id) => {
      const port = accounts(id)
      return {
        ...port,
        refund: async (request) => {
          const done = await port.refund(request)
          if (isCut) throw new Error('planned: the answer was lost')
          return done
        },
      }
    }
    const { said, decide, payer, ask } = await aStory({ accounts: cut })
    const { body } = await said()
    expect((await decide(body.id)).status).toBe(500)
    // The money has moved already: who comes now must not reject it.
    expect(await available(payer)).toBe(10_000n)
    isCut = false
    const seen = DisputeView.parse((await ask(admin, 'GET', `/admin/disputes/${body.id}`)).body)
    expect(seen).toMatchObject({ state: 'open', version: 2 })
    expect((await decide(body.id, { decision: 'reject', version: 2 })).code).toBe('conflict')
    expect((await decide(body.id, { usd: '0.0000001', version: 2 })).code).toBe('conflict')
    expect((await decide(body.id, { version: 2 })).body).toMatchObject({ state: 'refunded', refunded: '0.000001000' })
    expect(await available(payer)).toBe(10_000n)
  })

  it('of a call that was refunded otherwise is decided anew', async () => {
    const { said, decide, payer, callId } = await aStory()
    const { body } = await said()
    await refundCall(accounts, {
      ...{ accountId: payer.id, callId, amountNanos: null, reason: 'x', by: ADMIN, id: 'other', from: 'house' },
    })
    expect((await decide(body.id)).code).toBe('refund_exceeds_charge')
    expect((await decide(body.id, { decision: 'reject', version: 3 })).body).toMatchObject({ state: 'rejected' })
  })

  it('that is rejected is told to its payer, once and with the answer; one that is taken back is not', async () => {
    const { said, decide, ask, me, payer, operator } = await aStory()
    const told = async () => {
      const query = "SELECT kind, data FROM events WHERE account_id = ? AND kind LIKE 'dispute.%'"
      const { results } = await env.DB.prepare(query).bind(payer.id).all<{ kind: string; data: string }>()
      return results.map(({ kind, data }) => [kind, JSON.parse(data)])
    }
    const { body } = await said()
    expect((await decide(body.id, { decision: 'reject', answer: 'Late.', version: 9 })).code).toBe('changed_meanwhile')
    expect(await told()).toEqual([])
    await Promise.all([1, 2].map(() => decide(body.id, { decision: 'reject', answer: 'It was right.' })))
    const data = { disputeId: body.id, callId: body.callId, answer: 'It was right.' }
    expect(await told()).toEqual([['dispute.rejected', data]])
    const other = await callFor(payer, 10n, operator.id)
    const second = await said({ callId: other.request.callId })
    await ask(me, 'POST', `/disputes/${second.body.id}/withdraw`, { version: 1 })
    expect(await told()).toHaveLength(1)
  })

  it('is found by its call, by its payer alone', async () => {
    const { said, ask, me, payer, operator, callId } = await aStory()
    const of = async (call: string, who = me) => {
      const { body } = await ask(who, 'GET', `/disputes?call=${call}`)
      return DisputePage.parse(body).data.map(({ id }) => id)
    }
    expect(await of(callId)).toEqual([])
    const { body } = await said()
    const other = await callFor(payer, 10n, operator.id)
    const second = await said({ callId: other.request.callId })
    expect(await of(callId)).toEqual([body.id])
    expect(await of(other.request.callId)).toEqual([second.body.id])
    expect(await of('call_nothing')).toEqual([])
    expect(await of(callId, signedIn(operator.id))).toEqual([])
    expect((await ask(null, 'GET', `/disputes?call=${callId}`)).code).toBe('not_signed_in')
    expect((await ask(me, 'GET', `/disputes?call=${'x'.repeat(81)}`)).code).toBe('invalid_request')
  })

  it('comes within the days that the house gives now, and says how many those are', async () => {
    const { said, ask, payer, parameters } = await aStory()
    const freshly = () => signedIn(ADMIN, ['admin'], instant(payer.clock()))
    const change = async (value: number) => {
      const list = await ask<{ data: { name: string; version: number }[] }>(freshly(), 'GET', '/admin/parameters')
      const version = list.body.data.find(({ name }) => name === 'disputeDays')?.version
      const asked = { value, version, reason: 'a test' }
      expect((await ask(freshly(), 'PUT', '/admin/parameters/disputeDays', asked)).status).toBe(200)
      payer.clock.advance(DAY_MS)
      parameters.forget()
    }
    // The call ended before the day that a change of the parameter waits.
    await change(1)
    const late = await said()
    expect([late.code, late.text.includes('It ended more than a day ago.')]).toEqual(['dispute_closed', true])
    await change(5)
    payer.clock.advance(4 * DAY_MS)
    expect((await said()).text).toContain('It ended more than 5 days ago.')
    await change(30)
    expect((await said()).status).toBe(201)
    // For the stories that come after: the house's days are one row for all.
    await env.DB.prepare("DELETE FROM parameter_entries WHERE name = 'disputeDays'").run()
  })

  it('is decided by an admin with a fresh sign-in only', async () => {
    const { said, ask, me, payer } = await aStory()
    const { body } = await said()
    const path = `/admin/disputes/${body.id}/decide`
    const decision = { decision: 'reject', answer: 'x', version: 1 }
    expect((await ask(me, 'POST', path, decision)).code).toBe('forbidden')
    expect(
      (await ask(signedIn(ADMIN, ['admin'], instant(payer.clock() - 3_600_000)), 'POST', path, decision)).code,
    ).toBe('fresh_sign_in_required')
  })
})
