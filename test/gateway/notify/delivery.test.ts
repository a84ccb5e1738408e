// How an event reaches its receivers: signed, once per event and webhook in the log, tried again with growing pauses, and never to an address
// that became an inner one since.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { NOTIFY } from '../../../gateway/notify/limits.ts'
import { createDeliveryBook } from '../../../gateway/notify/delivery-book.ts'
import { createNotifyCron } from '../../../gateway/notify/cron.ts'
import { PAUSES_MS, REASON } from '../../../gateway/notify/outcome.ts'
import type { AccountId } from '../../../protocol/units.ts'
import { DeliveryView, WebhookList, WebhookWithSecret } from '../../../protocol/webhook.ts'
import { callFor, aPayer, anAccount } from '../ledger/ledger-house.ts'
import { createEventBook } from '../../../gateway/ledger/events/event-book.ts'
import { aHouse, anId, emptyRoom, fine, refusal, RECEIVER, signedIn, silent, status } from './notify-house.ts'

type House = ReturnType<typeof aHouse>

beforeEach(emptyRoom)

const views = async (house: House, me: AccountId) =>
  WebhookList.parse(await (await house.send(signedIn(me), 'GET', '/webhooks')).json()).data

const noJitter = (length: number) => (length === 4 ? new Uint8Array(4) : crypto.getRandomValues(new Uint8Array(length)))

describe('an event', () => {
  it('reaches every webhook of its account that wants its kind, signed with that webhook’s secret, and no other’s', async () => {
    const house = aHouse()
    const [me, stranger] = [anId(), anId()]
    const all = await house.webhook(me, { url: 'https://all.example.org' })
    const some = await house.webhook(me, { url: 'https://some.example.org', kinds: ['balance.low', 'account.frozen'] })
    await house.webhook(me, { url: 'https://none.example.org', kinds: ['refund.created'] })
    await house.webhook(stranger, { url: 'https://stranger.example.org' })
    await house.tell(me, 'balance.low', { balance: '0.9' })
    await house.runCron()
    expect(house.received.map(({ url }) => url).sort()).toEqual(['https://all.example.org', 'https://some.example.org'])
    for (const { url, secret } of [all, some]) {
      const one = house.received.find((request) => request.url === url)
      expect(house.verify(one, secret)).toMatchObject({
        ok: true,
        value: { message: { type: 'balance.low', data: { accountId: me, balance: '0.9' } } },
      })
      expect(house.verify(one, url === all.url ? some.secret : all.secret)).toMatchObject({ ok: false })
      expect(one?.redirect).toBe('manual')
      expect(one?.headers.get('content-type')).toBe('application/json')
      expect([one?.headers.has('cookie'), one?.headers.has('authorization')]).toEqual([false, false])
    }
    expect(await house.runCron()).toBe(0)
    expect((await house.log(me, all.id)).data).toMatchObject([
      { type: 'balance.low', state: 'delivered', tries: 1, status: 200, error: null, nextAt: null },
    ])
  })

  it('from before the webhook was made is not sent to it', async () => {
    const house = aHouse()
    const me = anId()
    await house.tell(me)
    house.clock.advance(1)
    await house.webhook(me)
    await house.tell(me, 'account.frozen')
    await house.runCron()
    expect(house.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual(['account.frozen'])
  })

  it('of a guard is told once per crossing, from the call that made it to the receiver', async () => {
    const house = aHouse()
    const payer = await aPayer(1_000_000_000n, {}, house.clock)
    const payee = await anAccount(house.clock)
    const { secret } = await house.webhook(payer.id)
    await payer.use({ events: createEventBook(env.DB) })
    for (let calls = 0; calls < 3; calls++) {
      await callFor(payer, 1n, payee.id)
      house.clock.advance(300)
      await payer.port.tick()
      await house.runCron()
    }
    expect(house.received).toHaveLength(1)
    expect(house.verify(house.received[0], secret)).toMatchObject({
      value: { message: { type: 'balance.low', data: { balance: '0.999999999', threshold: '1.000000000' } } },
    })
  })

  it('is one delivery however often it is spread, by however many runs at once', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    await house.tell(me)
    const runs = Array.from({ length: 5 }, () => createNotifyCron(house.needs)())
    expect((await Promise.all(runs)).reduce((sum, sent) => sum + sent, 0)).toBe(1)
    await env.DB.prepare('UPDATE events SET spread_at = NULL').run()
    await house.runCron()
    expect(house.received).toHaveLength(1)
    expect((await house.log(me, id)).data).toHaveLength(1)
  })
})

describe('a delivery that fails', () => {
  it.each([
    ['500', status(500), { status: 500, error: 'refused' }],
    ['silence', silent, { status: null, error: 'timeout' }],
    ['a broken line', () => Promise.reject(new TypeError('planned')), { status: null, error: 'connection_failed' }],
    ['a redirect, which is not followed', status(307, { location: RECEIVER }), { status: 307, error: 'redirected' }],
  ] as const)('by %s is tried again with the same id and body, and a new signature', async (_, answer, failure) => {
    const house = aHouse({ attemptMs: 20, random: noJitter })
    const me = anId()
    const { id, secret } = await house.webhook(me)
    house.answers(answer)
    await house.tell(me)
    await house.runCron()
    const [pending] = (await house.log(me, id)).data
    const nextAt = new Date(house.clock() + 5_000).toISOString()
    expect(pending).toMatchObject({ ...failure, state: 'pending', tries: 1, nextAt })
    expect((await views(house, me))[0]?.failingSince).toBe(new Date(house.clock()).toISOString())
    house.answers(fine)
    house.clock.advance(4_999)
    expect(await house.runCron()).toBe(0)
    house.clock.advance(1)
    expect(await house.runCron()).toBe(1)
    const [first, second] = house.received
    expect(house.received).toHaveLength(2)
    expect(second?.body).toBe(first?.body)
    expect(second?.headers.get('webhook-id')).toBe(first?.headers.get('webhook-id'))
    expect(second?.headers.get('webhook-signature')).not.toBe(first?.headers.get('webhook-signature'))
    expect(house.verify(second, secret)).toMatchObject({ ok: true, value: { id: pending?.event } })
    expect((await house.log(me, id)).data).toMatchObject([{ state: 'delivered', tries: 2, status: 200, error: null }])
    expect((await views(house, me))[0]?.failingSince).toBeNull()
  })

  it('is given up after eight tries, and the log says so', async () => {
    const house = aHouse({ random: noJitter })
    const me = anId()
    const { id } = await house.webhook(me)
    house.answers(status(503))
    await house.tell(me)
    await house.runCron()
    for (const pause of PAUSES_MS) {
      house.clock.advance(pause - 1)
      expect(await house.runCron()).toBe(0)
      house.clock.advance(1)
      expect(await house.runCron()).toBe(1)
    }
    expect(house.received).toHaveLength(8)
    expect((await house.log(me, id)).data).toMatchObject([
      { state: 'failed', tries: 8, status: 503, error: 'refused', nextAt: null },
    ])
    house.clock.advance(30 * 86_400_000)
    expect(await house.runCron()).toBe(0)
    expect((await views(house, me))[0]?.disabledAt).toBeNull()
  })

  it('disables its webhook with the last try after five days without one that arrived; its owner sees why and enables it', async () => {
    const house = aHouse({ random: noJitter })
    const me = anId()
    const { id } = await house.webhook(me)
    house.answers(status(500))
    const failOne = async () => {
      await house.tell(me)
      await house.runCron()
      for (const pause of PAUSES_MS) {
        house.clock.advance(pause)
        await house.runCron()
      }
    }
    await failOne()
    house.clock.advance(NOTIFY.failingMs)
    await house.tell(me, 'account.frozen')
    await house.runCron()
    expect((await views(house, me))[0]?.disabledAt).toBeNull()
    await failOne()
    expect((await views(house, me))[0]).toMatchObject({ reason: REASON.failing })
    expect((await views(house, me))[0]?.disabledAt).not.toBeNull()
    const sent = house.received.length
    await house.tell(me)
    house.clock.advance(86_400_000)
    expect(await house.runCron()).toBe(0)
    expect(house.received).toHaveLength(sent)
    const { data } = await house.log(me, id)
    expect(data.every(({ state, nextAt }) => state === 'failed' && nextAt === null)).toBe(true)
    const replay = `/webhooks/${id}/deliveries/${data[0]?.id}/replay`
    expect(await refusal(await house.send(signedIn(me), 'POST', replay))).toEqual([409, 'conflict'])
    house.answers(fine)
    expect((await house.send(signedIn(me), 'POST', `/webhooks/${id}/enable`)).status).toBe(200)
    expect((await views(house, me))[0]).toMatchObject({ disabledAt: null, reason: null, failingSince: null })
    await house.tell(me)
    expect(await house.runCron()).toBe(1)
  })

  it('with 410 disables its webhook at once, and gives up what else was pending', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    house.answers(status(500))
    await house.tell(me)
    await house.runCron()
    house.answers(status(410))
    await house.tell(me, 'account.frozen')
    await house.runCron()
    expect((await views(house, me))[0]).toMatchObject({ reason: REASON.gone })
    const { data } = await house.log(me, id)
    expect(data.map(({ type, state, error }) => [type, state, error]).sort()).toEqual([
      ['account.frozen', 'failed', 'gone'],
      ['balance.low', 'failed', 'disabled'],
    ])
  })

  it('is not sent at all when its name leads inside by now, and is sent when it leads outside again', async () => {
    let addresses = ['93.184.216.34']
    const asked: string[] = []
    const resolve = (name: string) => {
      asked.push(name)
      return Promise.resolve(addresses)
    }
    const house = aHouse({ resolve, random: noJitter })
    const me = anId()
    const { id } = await house.webhook(me)
    addresses = ['127.0.0.1']
    await house.tell(me)
    await house.runCron()
    expect(house.received).toEqual([])
    expect((await house.log(me, id)).data).toMatchObject([{ state: 'pending', error: 'address_refused', status: null }])
    const tested = DeliveryView.parse(await (await house.send(signedIn(me), 'POST', `/webhooks/${id}/test`)).json())
    expect(tested.error).toBe('address_refused')
    expect(house.received).toEqual([])
    addresses = ['93.184.216.34']
    house.clock.advance(5_000)
    await house.runCron()
    expect(house.received).toHaveLength(1)
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'receiver.example.org'))
  })
})

describe('rotation', () => {
  it('has the old secret sign beside the new one for a day', async () => {
    const house = aHouse()
    const me = anId()
    const { id, secret: before } = await house.webhook(me)
    const response = await house.send(signedIn(me), 'POST', `/webhooks/${id}/rotate`)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const rotated = WebhookWithSecret.parse(await response.json())
    expect(rotated.oldSecretUntil).toBe(new Date(house.clock() + NOTIFY.oldSecretMs).toISOString())
    expect(rotated.secret).not.toBe(before)
    house.clock.advance(NOTIFY.oldSecretMs - 1)
    await house.tell(me)
    await house.runCron()
    expect(house.received[0]?.headers.get('webhook-signature')?.split(' ')).toHaveLength(2)
    for (const secret of [before, rotated.secret]) expect(house.verify(house.received[0], secret)?.ok).toBe(true)
    house.clock.advance(1)
    await house.tell(me)
    await house.runCron()
    expect(house.verify(house.received[1], rotated.secret)?.ok).toBe(true)
    expect(house.verify(house.received[1], before)?.ok).toBe(false)
    expect((await views(house, me))[0]?.oldSecretUntil).toBeNull()
  })
})

describe('replay', () => {
  it('sends the same event again now, with the same id, and from its first try when it fails', async () => {
    const house = aHouse({ random: noJitter })
    const me = anId()
    const { id } = await house.webhook(me)
    await house.tell(me)
    await house.runCron()
    const [delivery] = (await house.log(me, id)).data
    const replay = () => house.send(signedIn(me), 'POST', `/webhooks/${id}/deliveries/${delivery?.id}/replay`)
    expect(DeliveryView.parse(await (await replay()).json())).toMatchObject({ state: 'delivered', tries: 1 })
    house.answers(status(500))
    expect(DeliveryView.parse(await (await replay()).json())).toMatchObject({ state: 'pending', tries: 1, status: 500 })
    house.answers(fine)
    house.clock.advance(PAUSES_MS[0] ?? 0)
    await house.runCron()
    expect(new Set(house.received.map(({ headers }) => headers.get('webhook-id')))).toEqual(new Set([delivery?.event]))
    expect(house.received).toHaveLength(4)
    expect((await house.log(me, id)).data).toMatchObject([{ id: delivery?.id, state: 'delivered', tries: 2 }])
  })

  it('is refused while it is being sent, for what is not there, and for an event that is not kept any more', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    await house.tell(me)
    await createDeliveryBook(env.DB).spread(() => 'dl_0000000000000000', house.clock())
    const path = (delivery: string) => `/webhooks/${id}/deliveries/${delivery}/replay`
    expect(await createDeliveryBook(env.DB).claimDue(house.clock())).toHaveLength(1)
    expect(await refusal(await house.send(signedIn(me), 'POST', path('dl_0000000000000000')))).toEqual([
      409,
      'conflict',
    ])
    expect(await refusal(await house.send(signedIn(me), 'POST', path('dl_1')))).toEqual([404, 'not_found'])
    house.clock.advance(NOTIFY.leaseMs)
    expect((await house.send(signedIn(me), 'POST', path('dl_0000000000000000'))).status).toBe(200)
    await env.DB.prepare('DELETE FROM events').run()
    expect((await house.send(signedIn(me), 'POST', path('dl_0000000000000000'))).status).toBe(404)
    expect((await house.log(me, id)).data).toMatchObject([{ type: 'purged', state: 'delivered' }])
  })
})

describe('a claim', () => {
  it('is one run’s alone until its lease ends; a run that was lost costs time, and no message', async () => {
    const house = aHouse()
    const me = anId()
    await house.webhook(me)
    await house.tell(me)
    const book = createDeliveryBook(env.DB)
    await book.spread(() => 'dl_0000000000000000', house.clock())
    const claims = await Promise.all(Array.from({ length: 8 }, () => book.claimDue(house.clock())))
    expect(claims.map((claim) => claim.length).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 1])
    house.clock.advance(NOTIFY.leaseMs - 1)
    expect(await house.runCron()).toBe(0)
    house.clock.advance(1)
    expect(await house.runCron()).toBe(1)
    // The lost run comes back after all: what it says of its try is too late.
    const [late] = claims.flat()
    if (!late) throw new Error('nobody claimed it')
    const verdict = { state: 'failed', nextAt: null, disabled: null } as const
    await book.settle(late, { error: 'timeout', status: null, ms: 1 }, verdict, house.clock())
    expect((await house.log(me, late.webhook.id)).data).toMatchObject([{ state: 'delivered', tries: 2 }])
  })

  it('takes the accounts in turns, so that one with many events leaves room for the others', async () => {
    const house = aHouse()
    const [busy, ...others] = [anId(), anId(), anId()]
    for (const account of [busy, ...others]) await house.webhook(account, { url: `https://${account}.example.org` })
    for (let i = 0; i < 40; i++) await house.tell(busy)
    house.clock.advance(1)
    for (const account of others) await house.tell(account)
    expect(await house.runCron()).toBe(NOTIFY.runMaxPerAccount + others.length)
    const counts = (account: AccountId) => house.received.filter(({ url }) => url.includes(account)).length
    expect([counts(busy), ...others.map(counts)]).toEqual([NOTIFY.runMaxPerAccount, 1, 1])
    expect(await house.runCron()).toBe(NOTIFY.runMaxPerAccount)
  })

  it('is of sixty at most, and dead receivers do not hold up the living', async () => {
    const house = aHouse({ attemptMs: 100 })
    const dead = Array.from({ length: 6 }, anId)
    for (const account of dead) {
      await house.webhook(account, { url: 'https://dead.example.org' })
      for (let i = 0; i < 12; i++) await house.tell(account)
    }
    const alive = anId()
    await house.webhook(alive, { url: 'https://alive.example.org' })
    house.clock.advance(1)
    await house.tell(alive)
    house.answers((one, signal) => (one.url.includes('dead') ? silent(one, signal) : fine(one, signal)))
    const order: string[] = []
    const run = house.runCron().then((sent) => order.push(`${sent} done`))
    await vi.waitFor(() => expect(house.received.some(({ url }) => url.includes('alive'))).toBe(true))
    order.push('alive told')
    await run
    expect(order).toEqual(['alive told', `${NOTIFY.runMax} done`])
  })

  it('that cannot be written down stops no other', async () => {
    const house = aHouse()
    const [one, two] = [anId(), anId()]
    for (const account of [one, two]) {
      await house.webhook(account)
      await house.tell(account)
    }
    const planned = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    let batches = 0
    const db = new Proxy(env.DB, {
      get(target, name: keyof D1Database) {
        const method = target[name] as (...args: unknown[]) => unknown // every member of a database is a method
        if (name !== 'batch') return method.bind(target)
        return (...args: unknown[]) => {
          batches += 1
          return batches === 2 ? Promise.reject(new Error('planned: D1 is away')) : method.apply(target, args)
        }
      },
    })
    expect(await createNotifyCron({ ...house.needs, db })()).toBe(2)
    expect(planned).toHaveBeenCalledTimes(1)
    planned.mockRestore()
    const states = await env.DB.prepare('SELECT state FROM deliveries ORDER BY state').all()
    expect(states.results).toEqual([{ state: 'delivered' }, { state: 'pending' }])
    house.clock.advance(NOTIFY.leaseMs)
    expect(await house.runCron()).toBe(1)
    // At least once is promised, and the id says that it is the same.
    expect(house.received).toHaveLength(3)
    expect(new Set(house.received.map(({ headers }) => headers.get('webhook-id'))).size).toBe(2)
  })
})

describe('the log', () => {
  it('pages through everything, newest first, and refuses invented cursors', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    for (let i = 0; i < 5; i++) {
      await house.tell(me)
      await house.runCron()
      house.clock.advance(i === 2 ? 0 : 1_000)
    }
    const whole = (await house.log(me, id)).data
    expect(whole).toHaveLength(5)
    expect([...whole].sort((a, b) => b.createdAt.localeCompare(a.createdAt))).toEqual(whole)
    const paged: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '?limit=2' : `?limit=2&cursor=${cursor}`
      const page = await house.log(me, id, query)
      paged.push(...page.data.map((delivery) => delivery.id))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(paged).toEqual(whole.map((delivery) => delivery.id))
    for (const query of ['?cursor=x', '?cursor=1.x', '?limit=101', '?limit=0'])
      expect((await house.send(signedIn(me), 'GET', `/webhooks/${id}/deliveries${query}`)).status, query).toBe(400)
  })
})
