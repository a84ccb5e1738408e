import { generateKeyPair, type CryptoKey } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { NodeChatEvent, NodeEmbeddingReply } from '../../protocol/node.ts'
import {
  outputHash,
  requestHash,
  signReceipt,
  vectorBytes,
  verifyReceipt,
  type Receipt,
} from '../../protocol/receipt.ts'
import { signClaims } from '../../protocol/ticket.ts'

const SALT = 'AAECAwQFBgcICQoLDA0ODw'
const aReceipt = (over: Partial<Receipt> = {}): Receipt => ({
  jti: 'ticket-1',
  callId: 'call_01arz3ndektsv4rrffq69g5fav',
  attempt: 0,
  nodeKey: 'k'.repeat(43),
  model: 'souk/tiny-chat',
  modelDigest: 'a'.repeat(64),
  request: requestHash(SALT, { model: 'souk/tiny-chat' }),
  outputs: [outputHash(SALT, 'Paris')],
  inputTokens: 12,
  outputTokens: 3,
  startedAt: '2026-11-21T00:00:00.000Z',
  firstOutputAt: '2026-11-21T00:00:00.100Z',
  endedAt: '2026-11-21T00:00:01.000Z',
  outcome: 'complete',
  continuedCharacters: 0,
  ...over,
})

let node: { privateKey: CryptoKey; publicKey: CryptoKey }
beforeAll(async () => {
  node = await generateKeyPair('EdDSA')
})

describe('a receipt', () => {
  it('is read back as it was signed', async () => {
    expect(await verifyReceipt(await signReceipt(aReceipt(), node.privateKey), node.publicKey)).toEqual({
      ok: true,
      value: aReceipt(),
    })
  })
  it('has no room for an answer: a field of its own making is neither signed nor accepted', async () => {
    const withText = { ...aReceipt(), text: 'Paris' } as Receipt
    await expect(signReceipt(withText, node.privateKey)).rejects.toThrow()
    const forged = await signClaims(withText, node.privateKey, { typ: 'souk-receipt' })
    expect(await verifyReceipt(forged, node.publicKey)).toEqual({ ok: false, code: 'malformed' })
    const asHash = await signClaims({ ...aReceipt(), outputs: ['Paris'] }, node.privateKey, { typ: 'souk-receipt' })
    expect(await verifyReceipt(asHash, node.publicKey)).toEqual({ ok: false, code: 'malformed' })
  })
  it("is refused with another node's key", async () => {
    const { publicKey } = await generateKeyPair('EdDSA')
    const jws = await signReceipt(aReceipt(), node.privateKey)
    expect(await verifyReceipt(jws, publicKey)).toEqual({ ok: false, code: 'bad_signature' })
  })
  it('is refused when a hello or a ticket of the same key stands in its place', async () => {
    for (const typ of ['souk-hello', 'souk-ticket', ''])
      expect(await verifyReceipt(await signClaims(aReceipt(), node.privateKey, { typ }), node.publicKey)).toEqual({
        ok: false,
        code: 'malformed',
      })
  })
  it.each([
    ['negative units', { outputTokens: -1 }],
    ['half a unit', { inputTokens: 0.5 }],
    ['more units than a number can count', { outputTokens: 2 ** 53 }],
    ['an unknown outcome', { outcome: 'perfect' }],
    ['more outputs than a call has', { outputs: Array<string>(257).fill('x') }],
  ])('is refused with %s', async (_, over) => {
    const jws = await signClaims({ ...aReceipt(), ...over }, node.privateKey, { typ: 'souk-receipt' })
    expect(await verifyReceipt(jws, node.publicKey)).toEqual({ ok: false, code: 'malformed' })
  })
  it('fits the wire also for the largest embedding call', async () => {
    const outputs = Array.from({ length: 256 }, (_, i) => outputHash(SALT, vectorBytes([i])))
    const receipt = await signReceipt(aReceipt({ outputs }), node.privateKey)
    expect(NodeEmbeddingReply.safeParse({ data: [], receipt }).success).toBe(true)
    expect(NodeChatEvent.safeParse({ choices: [], receipt }).success).toBe(true)
    expect((await verifyReceipt(receipt, node.publicKey)).ok).toBe(true)
  })
})

describe('the hashes of a receipt', () => {
  it('do not depend on the order of the request’s fields, but on its salt', () => {
    expect(requestHash(SALT, { a: 1, b: 2 })).toBe(requestHash(SALT, { b: 2, a: 1 }))
    expect(requestHash(SALT, { a: 1 })).not.toBe(requestHash('AAECAwQFBgcICQoLDA0OEA', { a: 1 }))
  })
  it('are sha256 of salt and output', () => {
    expect(outputHash(SALT, 'Paris')).toBe(outputHash(SALT, new TextEncoder().encode('Paris')))
    expect(outputHash('', '')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
  it('take a vector as little-endian float32', () => {
    expect([...vectorBytes([1, -2])]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
    expect(vectorBytes([])).toHaveLength(0)
  })
})
