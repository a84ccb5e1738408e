import { generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { signTicket, type Ticket } from '../../protocol/ticket.ts'
import { createTicketCheck } from '../../provider-node/ticket-check.ts'

const NOW = 1_800_000_000
const BODY = 'b'.repeat(64)
const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })

function aTicket(overrides: Partial<Ticket> = {}): Ticket {
  const prices = { input: '0', output: '0', cachedInput: '0', bytes: '0', perCall: '0' }
  return {
    iss: 'gateway',
    aud: 'me',
    jti: 'one',
    iat: NOW,
    exp: NOW + 60,
    callId: 'call',
    attempt: 0,
    path: '/v1/chat/completions',
    model: 'souk/tiny-chat',
    modelDigest: 'd',
    inputTokensMax: 1,
    outputTokensMax: 1,
    prices,
    bodySha256: BODY,
    salt: 'AAAA',
    pseudonym: 'p',
    ...overrides,
  }
}

function aCheck(options: { ticketsRemembered?: number } = {}) {
  const clock = { seconds: NOW }
  const keys = { resolve: (kid: string) => Promise.resolve(kid === 'k' ? publicKey : null) }
  const check = createTicketCheck({ nodeKey: 'me', keys, now: () => clock.seconds * 1_000, ...options })
  const admit = async (overrides: Partial<Ticket> = {}, kid = 'k') =>
    check.admit(`Souk ${await signTicket(aTicket(overrides), privateKey, kid)}`, '/v1/chat/completions')
  return { check, clock, admit }
}

const refused = (message: string) => ({ code: 'bad_ticket', message })

describe('tickets', () => {
  it('admits one that is ours, and its scheme in any case', async () => {
    const { check, admit } = aCheck()
    await expect(admit()).resolves.toMatchObject({ jti: 'one' })
    const jws = await signTicket(aTicket(), privateKey, 'k')
    await expect(check.admit(`souk ${jws}`, '/v1/chat/completions')).resolves.toMatchObject({ jti: 'one' })
  })

  it.each([undefined, '', 'Souk', 'Souk ', 'Bearer x', 'Souk a b'])('refuses the header %j', async (header) => {
    const needed = refused('A ticket is needed: "authorization: Souk <ticket>".')
    await expect(aCheck().check.admit(header, '/')).rejects.toMatchObject(needed)
  })

  it.each<[string, Partial<Ticket>]>([
    ['The ticket is for another node.', { aud: 'other' }],
    ['The ticket has expired.', { iat: NOW - 61, exp: NOW - 1 }],
    ['The ticket has expired.', { exp: NOW + 121 }],
    ['The ticket is not valid yet.', { iat: NOW + 61, exp: NOW + 120 }],
    ['The ticket is for another path.', { path: '/v1/embeddings' }],
  ])('refuses: %s', async (message, overrides) => {
    await expect(aCheck().admit(overrides)).rejects.toMatchObject(refused(message))
  })

  it('accepts one until its last second, and no longer', async () => {
    const { clock, admit } = aCheck()
    clock.seconds = NOW + 60
    await expect(admit()).resolves.toBeDefined()
    clock.seconds = NOW + 61
    await expect(admit()).rejects.toMatchObject(refused('The ticket has expired.'))
  })

  it('refuses an unknown key, rubbish, and rubbish without end', async () => {
    const { check, admit } = aCheck()
    await expect(admit({}, 'other')).rejects.toMatchObject(refused('The ticket is not signed by our gateway.'))
    await expect(check.admit('Souk x.y.z', '/')).rejects.toMatchObject({ code: 'bad_ticket' })
    await expect(check.admit(`Souk ${'x'.repeat(5_000)}`, '/')).rejects.toMatchObject(
      refused('The ticket cannot be read.'),
    )
  })

  it('can be spent once, for its body only', () => {
    const { check } = aCheck()
    expect(() => check.spend(aTicket(), 'c'.repeat(64))).toThrow('another body')
    check.spend(aTicket(), BODY)
    expect(() => check.spend(aTicket(), BODY)).toThrow('used before')
    check.spend(aTicket({ jti: 'two' }), BODY)
  })

  it('keeps a bounded memory: full of living tickets it is busy, expired ones make room', () => {
    const { check, clock } = aCheck({ ticketsRemembered: 2 })
    check.spend(aTicket({ jti: 'a', exp: NOW + 10 }), BODY)
    check.spend(aTicket({ jti: 'b' }), BODY)
    expect(() => check.spend(aTicket({ jti: 'c' }), BODY)).toThrow(expect.objectContaining({ code: 'busy' }))
    clock.seconds = NOW + 11
    check.spend(aTicket({ jti: 'c' }), BODY)
    expect(() => check.spend(aTicket({ jti: 'b' }), BODY)).toThrow('used before')
  })
})
