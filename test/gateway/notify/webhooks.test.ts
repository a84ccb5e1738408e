// Webhooks as their owners manage them: made, listed, rotated, tested, removed; never another's, never to an inner address, never their
// secret in a row.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { NOTIFY } from '../../../gateway/notify/limits.ts'
import { AlertsView, DeliveryView, WebhookList, WebhookWithSecret } from '../../../protocol/webhook.ts'
import { accounts } from '../ledger/ledger-house.ts'
import { aHouse, anId, emptyRoom, everyRow, fine, RECEIVER, refusal, signedIn, silent, status } from './notify-house.ts'

beforeEach(emptyRoom)

describe('a webhook', () => {
  it('is made with a secret that is shown once, and is listed without it', async () => {
    const house = aHouse()
    const me = anId()
    const response = await house.send(signedIn(me), 'POST', '/webhooks', { url: RECEIVER, kinds: ['refund.created'] })
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const made = WebhookWithSecret.parse(await response.json())
    expect(made).toMatchObject({ url: RECEIVER, kinds: ['refund.created'], disabledAt: null, oldSecretUntil: null })
    expect(atob(made.secret.slice('whsec_'.length))).toHaveLength(32)
    const listed = await (await house.send(signedIn(me), 'GET', '/webhooks')).text()
    const { secret, ...view } = made
    expect(WebhookList.parse(JSON.parse(listed)).data).toEqual([view])
    expect(listed).not.toContain(secret.slice(6))
  })

  it('keeps its secret in no row, before or after it was rotated, tested and used', async () => {
    const house = aHouse()
    const me = anId()
    const { id, secret } = await house.webhook(me)
    await house.send(signedIn(me), 'POST', `/webhooks/${id}/test`)
    const rotated = WebhookWithSecret.parse(
      await (await house.send(signedIn(me), 'POST', `/webhooks/${id}/rotate`)).json(),
    )
    await house.tell(me)
    await house.runCron()
    const rows = await everyRow()
    expect(rows).toContain(RECEIVER)
    for (const text of [secret, rotated.secret]) {
      const raw = atob(text.slice(6))
      const hex = [...raw].map((char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('')
      for (const form of [text.slice(6), text.slice(6).replaceAll('+', '-').replaceAll('/', '_'), hex])
        expect(rows).not.toContain(form.replace(/=+$/, ''))
    }
  })

  it('opens for no other webhook and under no other secret of the gateway: its message is not sent unsigned', async () => {
    const house = aHouse()
    const me = anId()
    const [one, two] = [await house.webhook(me), await house.webhook(me)]
    await env.DB.prepare(
      'UPDATE webhooks SET sealed_secret = (SELECT sealed_secret FROM webhooks WHERE id = ?) WHERE id = ?',
    )
      .bind(one.id, two.id)
      .run()
    const other = aHouse({ keySecret: 'b'.repeat(43) })
    const planned = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    for (const [room, id] of [
      [house, two.id],
      [other, one.id],
    ] as const) {
      const tested = await (await room.send(signedIn(me), 'POST', `/webhooks/${id}/test`)).json()
      expect(DeliveryView.parse(tested)).toMatchObject({ state: 'failed', error: 'secret_lost', status: null })
    }
    expect([...house.received, ...other.received]).toEqual([])
    expect(planned).toHaveBeenCalledTimes(2)
    planned.mockRestore()
  })

  it.each([
    ['plain http', 'http://receiver.example.org/'],
    ['a private address', 'https://10.0.0.1/hook'],
    ['loopback', 'https://127.0.0.1/hook'],
    ['loopback as one number', 'https://2130706433/hook'],
    ['loopback as IPv6', 'https://[::1]/hook'],
    ['cloud metadata', 'https://169.254.169.254/latest?x=1'],
    ['an inner name', 'https://db.internal/hook'],
    ['an escaped host', 'https://receiver%2eexample.org/hook'],
    ['a user name', 'https://me:secret@receiver.example.org/hook'],
    ['a fragment', 'https://receiver.example.org/hook#here'],
    ['a system port', 'https://receiver.example.org:22/hook'],
    ['a character no URL holds', 'https://receiver.example.org/{hook}'],
    ['no URL', 'receiver'],
  ])('is refused for %s', async (_, url) => {
    const house = aHouse()
    expect(await refusal(await house.send(signedIn(anId()), 'POST', '/webhooks', { url }))).toEqual([
      422,
      'endpoint_refused',
    ])
    expect(await everyRow()).toBe('[[],[],[]]')
  })

  it('is refused for a name that leads inside, or nowhere', async () => {
    for (const answers of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::ffff:169.254.169.254'], []]) {
      const house = aHouse({ resolve: () => Promise.resolve(answers) })
      expect((await house.send(signedIn(anId()), 'POST', '/webhooks', { url: RECEIVER })).status).toBe(422)
    }
    const broken = aHouse({ resolve: () => Promise.reject(new Error('planned: no resolver')) })
    expect((await broken.send(signedIn(anId()), 'POST', '/webhooks', { url: RECEIVER })).status).toBe(422)
  })

  it('may be on this machine under the local switch only', async () => {
    const url = 'http://127.0.0.1:4000/hook'
    expect((await aHouse({ isLocal: true }).send(signedIn(anId()), 'POST', '/webhooks', { url })).status).toBe(201)
    expect((await aHouse().send(signedIn(anId()), 'POST', '/webhooks', { url })).status).toBe(422)
  })

  it.each([
    ['an unknown kind', { kinds: ['balance.high'] }],
    ['a test as a kind', { kinds: ['test'] }],
    ['no kinds at all', { kinds: [] }],
    ['too long a URL', { url: `https://receiver.example.org/${'a'.repeat(2_048)}` }],
    ['an unknown field', { secret: 'mine' }],
  ])('is refused with %s', async (_, wrong) => {
    const response = await aHouse().send(signedIn(anId()), 'POST', '/webhooks', { url: RECEIVER, ...wrong })
    expect(await refusal(response)).toEqual([400, 'invalid_request'])
  })

  it('is one of ten at most, also when they are made at the same time', async () => {
    const house = aHouse()
    const me = anId()
    const asked = await Promise.all(
      Array.from({ length: NOTIFY.webhooksMax + 3 }, () =>
        house.send(signedIn(me), 'POST', '/webhooks', { url: RECEIVER }),
      ),
    )
    const codes = asked.map((response) => response.status)
    expect(codes.filter((code) => code === 201)).toHaveLength(NOTIFY.webhooksMax)
    expect(codes.filter((code) => code === 409)).toHaveLength(3)
    expect((await house.send(signedIn(anId()), 'POST', '/webhooks', { url: RECEIVER })).status).toBe(201)
  })

  it('of another account is not there, whatever is asked of it; and a key or nobody may not ask', async () => {
    const house = aHouse()
    const [me, stranger] = [anId(), anId()]
    const { id } = await house.webhook(me)
    await house.tell(me)
    await house.runCron()
    const [delivery] = (await house.log(me, id)).data
    const asks = [
      ['DELETE', `/webhooks/${id}`],
      ['POST', `/webhooks/${id}/test`],
      ['POST', `/webhooks/${id}/rotate`],
      ['POST', `/webhooks/${id}/enable`],
      ['GET', `/webhooks/${id}/deliveries`],
      ['POST', `/webhooks/${id}/deliveries/${delivery?.id}/replay`],
    ] as const
    const before = await everyRow()
    for (const [method, path] of asks) {
      expect(await refusal(await house.send(signedIn(stranger), method, path)), path).toEqual([404, 'not_found'])
      expect((await house.send(null, method, path)).status).toBe(401)
      const key = { ...signedIn(me), kind: 'key', keyId: 'k', secretHash: '' } as never
      expect((await house.send(key, method, path)).status).toBe(403)
    }
    expect(await everyRow()).toBe(before)
    expect(house.received).toHaveLength(1)
    // A delivery of one webhook is not there under another of the same account either.
    const other = await house.webhook(me)
    const path = `/webhooks/${other.id}/deliveries/${delivery?.id}/replay`
    expect((await house.send(signedIn(me), 'POST', path)).status).toBe(404)
  })

  it('is removed with its log, and nothing more is sent', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    house.answers(status(500))
    await house.tell(me)
    await house.runCron()
    expect((await house.send(signedIn(me), 'DELETE', `/webhooks/${id}`)).status).toBe(204)
    expect((await house.send(signedIn(me), 'DELETE', `/webhooks/${id}`)).status).toBe(404)
    house.clock.advance(3_600_000)
    await house.runCron()
    expect(house.received).toHaveLength(1)
    const { results } = await env.DB.prepare('SELECT * FROM deliveries').all()
    expect(results).toEqual([])
  })
})

describe('the test endpoint', () => {
  it.each([
    ['an answer', fine, { state: 'delivered', status: 200, error: null }],
    ['a refusal', status(500), { state: 'failed', status: 500, error: 'refused' }],
    [
      'a redirect',
      status(302, { location: 'https://elsewhere.example' }),
      { state: 'failed', status: 302, error: 'redirected' },
    ],
    ['410', status(410), { state: 'failed', status: 410, error: 'gone' }],
    ['silence', silent, { state: 'failed', status: null, error: 'timeout' }],
    [
      'a broken line',
      () => Promise.reject(new TypeError('planned')),
      { state: 'failed', status: null, error: 'connection_failed' },
    ],
  ] as const)('says what came back: %s', async (_, answer, expected) => {
    const house = aHouse({ attemptMs: 20 })
    const me = anId()
    const { id, secret } = await house.webhook(me)
    const bystander = await house.webhook(me)
    house.answers(answer)
    const response = await house.send(signedIn(me), 'POST', `/webhooks/${id}/test`)
    const tested = DeliveryView.parse(await response.json())
    expect(tested).toMatchObject({ ...expected, type: 'test', tries: 1, nextAt: null })
    expect(tested.ms).toBeGreaterThanOrEqual(0)
    expect(house.verify(house.received[0], secret)).toMatchObject({
      ok: true,
      value: { id: tested.event, message: { type: 'test', data: { accountId: me } } },
    })
    // It is no news for other webhooks, it is not tried again, and what came of it does not count against the webhook.
    house.clock.advance(86_400_000)
    await house.runCron()
    expect(house.received).toHaveLength(1)
    expect((await house.log(me, id)).data).toEqual([tested])
    expect((await house.log(me, bystander.id)).data).toEqual([])
    const { data } = WebhookList.parse(await (await house.send(signedIn(me), 'GET', '/webhooks')).json())
    expect(data.map(({ failingSince, disabledAt }) => [failingSince, disabledAt])).toEqual([
      [null, null],
      [null, null],
    ])
  })

  it('knocks ten times a minute at most', async () => {
    const house = aHouse()
    const me = anId()
    const { id } = await house.webhook(me)
    const test = () => house.send(signedIn(me), 'POST', `/webhooks/${id}/test`)
    for (let i = 0; i < NOTIFY.testsMax; i++) expect((await test()).status).toBe(200)
    const over = await test()
    expect(over.headers.get('retry-after')).toBe('60')
    expect(await refusal(over)).toEqual([429, 'rate_limited'])
    house.clock.advance(NOTIFY.testWindowMs + 1)
    expect((await test()).status).toBe(200)
  })
})

describe('alerts', () => {
  it('are a dollar until the owner says otherwise, exact to the nano', async () => {
    const house = aHouse()
    const me = anId()
    await accounts(me).open(me)
    const ask = async (method: string, body?: unknown) =>
      AlertsView.parse(await (await house.send(signedIn(me), method, '/account/alerts', body)).json())
    expect(await ask('GET')).toEqual({ balanceLowUsd: '1.000000000', version: 0 })
    expect(await ask('PUT', { balanceLowUsd: '2.500000001' })).toEqual({ balanceLowUsd: '2.500000001', version: 1 })
    expect(await ask('GET')).toEqual({ balanceLowUsd: '2.500000001', version: 1 })
    expect(await ask('PUT', { balanceLowUsd: '0', version: 1 })).toEqual({ balanceLowUsd: '0.000000000', version: 2 })
    const late = await house.send(signedIn(me), 'PUT', '/account/alerts', { balanceLowUsd: '7', version: 1 })
    expect(await refusal(late)).toEqual([409, 'changed_meanwhile'])
    expect(await ask('GET')).toEqual({ balanceLowUsd: '0.000000000', version: 2 })
  })

  it.each([[{}], [{ balanceLowUsd: '-1' }], [{ balanceLowUsd: '0.0000000001' }], [{ balanceLowUsd: '1', more: 1 }]])(
    'are refused as %j',
    async (body) => {
      const house = aHouse()
      expect((await house.send(signedIn(anId()), 'PUT', '/account/alerts', body)).status).toBe(400)
      expect((await house.send(null, 'PUT', '/account/alerts', body)).status).toBe(401)
    },
  )

  it('of an account without a guard are refused, not invented', async () => {
    const response = await aHouse().send(signedIn(anId()), 'PUT', '/account/alerts', { balanceLowUsd: '1' })
    expect(z.number().parse(response.status)).toBe(404)
  })
})
