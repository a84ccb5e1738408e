// Messages to account owners: signed as Standard Webhooks say, checked against signatures that Node.js's own crypto makes.
import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { verifyWebhook as fromSdk } from '../../protocol/client.ts'
import { signWebhook, verifyWebhook, webhookSecret } from '../../protocol/webhook.ts'

const NOW = 1_800_000_000
const KEY = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
const SECRET = `whsec_${KEY.toString('base64')}`
const OTHER = webhookSecret(randomBytes(32))
const BODY = JSON.stringify({
  type: 'balance.low',
  timestamp: '2027-01-15T08:00:00.000Z',
  data: { accountId: '0123456789abcdef', balance: '0.990000000', threshold: '1.000000000', note: 'ünïcode ✓' },
})

/** Not our code: what any other implementation of the standard does. */
const independent = (id: string, seconds: string, body: string, key = KEY) =>
  `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`

const headers = (over: Record<string, string> = {}) => ({
  'webhook-id': 'evt_1',
  'webhook-timestamp': String(NOW),
  'webhook-signature': independent('evt_1', String(NOW), BODY),
  ...over,
})

describe('a message', () => {
  it('is signed as an independent implementation signs it, once for each secret', () => {
    expect(signWebhook([SECRET], 'evt_1', NOW, BODY)).toEqual(headers())
    const two = signWebhook([OTHER, SECRET], 'evt_1', NOW, BODY)['webhook-signature'].split(' ')
    expect(two).toHaveLength(2)
    expect(two[1]).toBe(independent('evt_1', String(NOW), BODY))
  })

  it('is accepted from headers in any form, its body as text or bytes, and says what it is', () => {
    const forms = [
      headers(),
      new Headers(headers()),
      Object.fromEntries(Object.entries(headers()).map(([name, value]) => [name.toUpperCase(), [value]])),
    ]
    for (const form of forms)
      for (const body of [BODY, Buffer.from(BODY)]) {
        const checked = fromSdk(form, body, SECRET, NOW)
        expect(checked).toEqual({ ok: true, value: { id: 'evt_1', message: JSON.parse(BODY) as unknown } })
      }
  })

  it('is accepted while a secret is rotated, by whoever has the old one or the new one, and by nobody else', () => {
    const both = signWebhook([OTHER, SECRET], 'evt_1', NOW, BODY)
    expect(verifyWebhook(both, BODY, SECRET, NOW).ok).toBe(true)
    expect(verifyWebhook(both, BODY, OTHER, NOW).ok).toBe(true)
    expect(verifyWebhook(both, BODY, webhookSecret(randomBytes(32)), NOW)).toEqual({
      ok: false,
      code: 'signature_refused',
    })
  })

  it.each([
    [-300, true],
    [300, true],
    [-301, false],
    [301, false],
  ])('sent %d s from now is accepted: %s', (offset, isFine) => {
    expect(verifyWebhook(headers(), BODY, SECRET, NOW + offset).ok).toBe(isFine)
    expect(verifyWebhook(headers(), BODY, SECRET, NOW + offset / 10, 30).ok).toBe(isFine)
  })

  const good = headers()['webhook-signature']
  it.each<[string, Record<string, string>, string, string]>([
    ['another id', { 'webhook-id': 'evt_2' }, BODY, 'signature_refused'],
    ['another time', { 'webhook-timestamp': String(NOW + 1) }, BODY, 'signature_refused'],
    ['a time as no other writes it', { 'webhook-timestamp': `0${NOW}` }, BODY, 'signature_refused'],
    ['a time that is none', { 'webhook-timestamp': 'now' }, BODY, 'timestamp_refused'],
    ['a negative time', { 'webhook-timestamp': '-1' }, BODY, 'timestamp_refused'],
    ['one more byte', {}, `${BODY} `, 'signature_refused'],
    ['one byte less', {}, BODY.slice(0, -1), 'signature_refused'],
    ['another amount', {}, BODY.replace('0.99', '9.99'), 'signature_refused'],
    ['an empty body', {}, '', 'signature_refused'],
    ['no id', { 'webhook-id': '' }, BODY, 'headers_missing'],
    ['no time', { 'webhook-timestamp': '' }, BODY, 'headers_missing'],
    ['no signature', { 'webhook-signature': '' }, BODY, 'headers_missing'],
    ['another version', { 'webhook-signature': good.replace('v1,', 'v1a,') }, BODY, 'signature_refused'],
    ['no version', { 'webhook-signature': good.slice(3) }, BODY, 'signature_refused'],
    ['a cut signature', { 'webhook-signature': good.slice(0, -1) }, BODY, 'signature_refused'],
    ['a longer signature', { 'webhook-signature': `${good}A` }, BODY, 'signature_refused'],
    ['a signature in hex', { 'webhook-signature': `v1,${'ab'.repeat(32)}` }, BODY, 'signature_refused'],
    ['the eleventh signature only', { 'webhook-signature': `${'v1,x '.repeat(10)}${good}` }, BODY, 'signature_refused'],
  ])('with %s is refused', (_, changed, body, code) => {
    expect(verifyWebhook(headers(changed), body, SECRET, NOW)).toEqual({ ok: false, code })
  })

  it('is refused with any one bit of its signature flipped', () => {
    const mac = Buffer.from(good.slice(3), 'base64')
    for (let bit = 0; bit < mac.length * 8; bit++) {
      const flipped = Buffer.from(mac)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const changed = headers({ 'webhook-signature': `v1,${flipped.toString('base64')}` })
      expect(verifyWebhook(changed, BODY, SECRET, NOW).ok).toBe(false)
    }
  })

  it('cannot be read as another id with another body, although the same bytes are signed', () => {
    const seconds = String(NOW)
    const inner = `${seconds}.${BODY}`
    const id = `evt_1.${seconds}`
    expect(independent(id, seconds, BODY)).toBe(independent('evt_1', seconds, inner))
    const moved = headers({ 'webhook-id': id, 'webhook-signature': independent(id, seconds, BODY) })
    expect(verifyWebhook(moved, BODY, SECRET, NOW)).toEqual({ ok: false, code: 'signature_refused' })
  })

  it.each([
    ['no JSON', 'hello'],
    ['no message', '{}'],
    ['a message without an account', BODY.replace('accountId', 'account')],
    ['amounts inside amounts', BODY.replace('"0.990000000"', '{"usd":"1"}')],
  ])('rightly signed and with %s is refused', (_, body) => {
    const signed = headers({ 'webhook-signature': independent('evt_1', String(NOW), body) })
    expect(verifyWebhook(signed, body, SECRET, NOW)).toEqual({ ok: false, code: 'body_unreadable' })
  })

  it('of a kind that is not known yet is accepted', () => {
    const body = BODY.replace('balance.low', 'something.new')
    const signed = headers({ 'webhook-signature': independent('evt_1', String(NOW), body) })
    expect(verifyWebhook(signed, body, SECRET, NOW)).toMatchObject({ value: { message: { type: 'something.new' } } })
  })
})

describe('a secret', () => {
  it.each([
    [24, true],
    [64, true],
    [23, false],
    [65, false],
    [0, false],
  ])('of %d bytes is one: %s', (length, isOne) => {
    const key = Buffer.alloc(length, 7)
    const secret = webhookSecret(key)
    const signed = headers({ 'webhook-signature': independent('evt_1', String(NOW), BODY, key) })
    const checked = verifyWebhook(signed, BODY, secret, NOW)
    expect(checked.ok ? 'fine' : checked.code).toBe(isOne ? 'fine' : 'secret_malformed')
    if (!isOne) expect(() => signWebhook([secret], 'evt_1', NOW, BODY)).toThrow(TypeError)
  })

  it.each(['', 'whsec_', SECRET.slice(6), `whsk_${SECRET.slice(6)}`, `${SECRET}=`, `whsec_${'*'.repeat(32)}`])(
    'is not %j, and nothing quotes it',
    (secret) => {
      expect(verifyWebhook(headers(), BODY, secret, NOW)).toEqual({ ok: false, code: 'secret_malformed' })
      expect(() => signWebhook([secret], 'evt_1', NOW, BODY)).toThrow('a signing secret is whsec_')
    },
  )
})
