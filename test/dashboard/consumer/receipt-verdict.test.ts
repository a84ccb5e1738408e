// What the call's page says of a proof: everything that holds, and each single thing that does not.
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { ABOUT, CORE, verdictOf } from '../../../gateway/dashboard/consumer/call/check.ts'
import { examine, type Evidence } from '../../../gateway/dashboard/consumer/call/receipt-verdict.ts'
import { checkTexts } from '../../../gateway/dashboard/consumer/call/texts-verdict.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import { encodeRequest } from '../../../protocol/oip-canonical.ts'
import type { Generation } from '../../../protocol/generation.ts'
import { chainLine, GENESIS_HASH } from '../../../protocol/journal.ts'
import { outputHash, requestHash, signReceipt, tensorRequestHash, type Receipt } from '../../../protocol/receipt.ts'
import { signTicket, type Ticket } from '../../../protocol/ticket.ts'
import {
  HOUSE,
  instant,
  nanos,
  tokens,
  type AccountId,
  type CallId,
  type KeyId,
  type ModelId,
  type NodeId,
} from '../../../protocol/units.ts'

const ID = `call_${'0'.repeat(26)}` as CallId // of an id's form, as all below
const ACCOUNT = '0000000000000001' as AccountId
const OPERATOR = '0000000000000002' as AccountId
const NODE = 'node_0000000000000001' as NodeId
const SALT = 'AAAAAAAAAAAAAAAAAAAAAA'
const REQUEST = { model: 'a/b', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 9 }
const SENT = { ...REQUEST, stream: true, seed: 7 }
const ANSWER = { choices: [{ index: 0, message: { role: 'assistant', content: 'Good day' } }], souk: { seed: 7 } }
const AT = '2040-01-01T00:00:00.000Z'

const keyPair = () => generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
type Pair = Awaited<ReturnType<typeof keyPair>>

async function evidence(
  gateway: Pair,
  node: Pair,
  over: { receipt?: Partial<Receipt>; ticket?: Partial<Ticket> } = {},
): Promise<Evidence> {
  const jwk = await exportJWK(gateway.publicKey)
  const x = jwk.x ?? ''
  const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x })
  const nodeKey = (await exportJWK(node.publicKey)).x ?? ''
  const named = { jti: 'jti', callId: ID, attempt: 0, model: 'a/b', modelDigest: 'ab'.repeat(32) }
  const ticket = await signTicket(
    {
      ...named,
      ...{ iss: 'test', aud: nodeKey, iat: 0, exp: 60, path: '/v1/chat/completions', salt: SALT, pseudonym: 'p' },
      ...{ inputTokensMax: 100, outputTokensMax: 9, bodySha256: '' },
      prices: { input: '10000000', output: '20000000', cachedInput: '0', bytes: '0', perCall: '0' },
      ...over.ticket,
    },
    gateway.privateKey,
    kid,
  )
  const receipt = await signReceipt(
    {
      ...named,
      ...{ nodeKey, request: requestHash(SALT, SENT), outputs: [outputHash(SALT, 'Good day')] },
      ...{ inputTokens: 5, outputTokens: 2, startedAt: AT, firstOutputAt: AT, endedAt: AT },
      ...{ outcome: 'complete', continuedCharacters: 0, ...over.receipt },
    },
    node.privateKey,
  )
  const { chained } = chainLine(
    {
      at: instant(0),
      kind: 'call',
      transferId: ID,
      legs: [
        { party: ACCOUNT, role: 'payer', amountNanos: nanos(-90n) },
        { party: OPERATOR, role: 'operator', amountNanos: nanos(86n) },
        { party: HOUSE.fees, role: 'house', amountNanos: nanos(4n) },
      ],
      call: {
        ...{
          keyId: '0000000001' as KeyId,
          modelId: 'a/b' as ModelId,
          nodeId: NODE,
          outcome: 'complete',
          errorCode: null,
        },
        ...{ inputTokens: tokens(5), outputTokens: tokens(2), holdNanos: nanos(500n), priceVersion: 1 },
        ...{ receiptHash: sha256Hex(receipt), ticketHash: sha256Hex(ticket) },
      },
    },
    ACCOUNT,
    1,
    GENESIS_HASH,
  )
  return {
    call: {
      ...{
        id: ID,
        model: 'a/b',
        keyId: '0000000001',
        provider: NODE,
        outcome: 'complete',
        errorCode: null,
        stream: false,
      },
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: '0.000000090' },
      hold: '0.000000500',
      legs: [
        { party: ACCOUNT, role: 'payer', amount: '-0.000000090' },
        { party: OPERATOR, role: 'operator', amount: '0.000000086' },
        { party: HOUSE.fees, role: 'house', amount: '0.000000004' },
      ],
      ...{ startedAt: AT, firstTokenAt: AT, endedAt: AT, purged: false, attempts: [], parts: null },
      ...{ choice: null, choices: null, receipt, ticket, salt: SALT, claimed: null },
    },
    lines: [chained],
    jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' }] },
  }
}

/** One character is another one. */
const forged = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`

let gateway: Pair
let node: Pair
let good: Evidence
beforeAll(async () => {
  ;[gateway, node] = await Promise.all([keyPair(), keyPair()])
  good = await evidence(gateway, node)
})

const faultsOf = async (given: Evidence) => {
  const { checks } = await examine(given)
  return checks.filter(({ state }) => state === 'wrong').map(({ about }) => about)
}
const withCall = (changed: Partial<Generation>): Evidence => ({ ...good, call: { ...good.call, ...changed } })
const titleOf = async (given: Evidence) => verdictOf((await examine(given)).checks, CORE)

describe('the proof of a call', () => {
  it('holds when everything fits', async () => {
    expect(await titleOf(good)).toEqual({
      state: 'right',
      title: 'The receipt is genuine and fits the charge: 7 checks passed',
    })
  })

  const forgeries: readonly [string, (e: Evidence) => Evidence, readonly string[]][] = [
    [
      'a character of the receipt’s signature',
      ({ call }) => withCall({ receipt: forged(call.receipt ?? '', (call.receipt ?? '').length - 20) }),
      [ABOUT.receipt, ABOUT.journal],
    ],
    [
      'a character of what the receipt says',
      ({ call }) => withCall({ receipt: forged(call.receipt ?? '', 80) }),
      [ABOUT.receipt, ABOUT.journal],
    ],
    [
      'a character of the order',
      ({ call }) => withCall({ ticket: forged(call.ticket ?? '', 150) }),
      [ABOUT.order, ABOUT.journal],
    ],
    [
      'the charge',
      ({ call }) => withCall({ usage: { ...call.usage, cost: '0.000000091' } }),
      [ABOUT.price, ABOUT.split, ABOUT.journal],
    ],
    ['the units', ({ call }) => withCall({ usage: { ...call.usage, completion_tokens: 3 } }), [ABOUT.units]],
    ['a share', ({ call }) => withCall({ legs: call.legs.slice(0, 2) }), [ABOUT.split]],
    ['the salt', () => withCall({ salt: 'BBBBBBBBBBBBBBBBBBBBBB' }), [ABOUT.fit]],
    [
      'the text of the line',
      (e) => ({ ...e, lines: e.lines.map((line) => ({ ...line, body: line.body.replace('86', '85') })) }),
      [ABOUT.journal],
    ],
    [
      'the line’s hash',
      (e) => ({ ...e, lines: e.lines.map((line) => ({ ...line, hash: GENESIS_HASH })) }),
      [ABOUT.journal],
    ],
  ]
  it.each(forgeries)('fails when somebody changed %s', async (_, change, faults) => {
    expect(await faultsOf(change(good))).toEqual(faults)
    expect((await titleOf(change(good))).state).toBe('wrong')
  })

  it('fails when another node signed it, and when it answers another order', async () => {
    const other = await keyPair()
    const foreign = await evidence(gateway, node)
    const stolen = await evidence(gateway, other)
    expect(await faultsOf({ ...foreign, call: { ...foreign.call, receipt: stolen.call.receipt } })).toContain(
      ABOUT.receipt,
    )
    expect(await faultsOf(await evidence(gateway, node, { receipt: { jti: 'other' } }))).toEqual([ABOUT.fit])
    expect(await faultsOf(await evidence(gateway, node, { receipt: { callId: `call_${'1'.repeat(26)}` } }))).toEqual([
      ABOUT.fit,
    ])
  })

  it('is open, never good, without a receipt, without an order, or with a key that is published no more', async () => {
    expect(await titleOf(withCall({ receipt: null }))).toMatchObject({ state: 'open' })
    expect(await titleOf(withCall({ ticket: null }))).toMatchObject({ state: 'open' })
    expect(await titleOf(withCall({ ticket: null, receipt: null, salt: null, purged: true }))).toMatchObject({
      state: 'open',
    })
    const rotated = await evidence(await keyPair(), node)
    expect(await titleOf({ ...good, jwks: rotated.jwks })).toMatchObject({ state: 'open' })
  })

  it('is never thrown off by what an answer holds', async () => {
    for (const text of ['', '.', 'a.b.c', '..', '\u0000'])
      expect((await titleOf(withCall({ receipt: text, ticket: text }))).state).not.toBe('right')
  })
})

describe('pasted texts', () => {
  const check = async (request: string, answer: string, call: Partial<Generation> = {}) => {
    const { ticket, receipt } = await examine(good)
    if (!ticket || !receipt) throw new Error('not proved')
    return checkTexts({ request, answer }, { ...good.call, ...call }, { ticket, receipt }).map(({ state }) => state)
  }

  it('are those of the receipt: as the caller wrote them, and in each form of the answer', async () => {
    const stream = ['Good', ' day'].map(
      (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }], souk: { seed: 7 } })}\n\n`,
    )
    const wished = {
      ...REQUEST,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
      user: 'me',
      provider: { sort: 'price' },
    }
    expect(await check(JSON.stringify(REQUEST), JSON.stringify(ANSWER))).toEqual(['right', 'right'])
    expect(await check(JSON.stringify(wished), `${stream.join('')}data: [DONE]\n\n`)).toEqual(['right', 'right'])
    expect(await check('', 'Good day')).toEqual(['right'])
    expect(await check(JSON.stringify({ ...REQUEST, max_tokens: undefined, seed: 7 }), '')).toEqual(['right'])
  })

  it('are not, when a character differs', async () => {
    expect(await check(JSON.stringify(REQUEST).replace('Hello', 'Hallo'), JSON.stringify(ANSWER))).toEqual([
      'wrong',
      'right',
    ])
    expect(await check('', 'Good day ')).toEqual(['wrong'])
    expect(await check('no JSON', '')).toEqual(['open'])
  })

  it('prove nothing against a node whose answer was cut', async () => {
    expect(await check('', 'Good', { outcome: 'cancelled' })).toEqual(['open'])
  })
})

describe('pasted tensors', () => {
  // 2^53 + 1, which no number of JavaScript holds.
  const REQUEST_TEXT = '{"inputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":[[9007199254740993,2]]}]}'
  const data = new Uint8Array(new BigInt64Array([9_007_199_254_740_993n, 2n]).buffer)
  const ids = { name: 'ids', datatype: 'INT64', shape: [1, 2], data } as const
  const score = new Uint8Array(new Float32Array([0.5]).buffer)
  const ANSWER_TEXT = '{"model_name":"a/b","outputs":[{"name":"score","datatype":"FP32","shape":[1],"data":[0.5]}]}'
  const check = async (request: string, answer: string) => {
    const asked = encodeRequest({ modelName: 'a/b', inputs: [ids], outputs: [], parameters: {} })
    const hashes = { request: tensorRequestHash(SALT, asked), outputs: [outputHash(SALT, score)] }
    const { ticket, receipt } = await examine(await evidence(gateway, node, { receipt: hashes }))
    if (!ticket || !receipt) throw new Error('not proved')
    const call = { ...good.call, outcome: 'complete' as const }
    return checkTexts({ request, answer }, call, { ticket, receipt }).map(({ state }) => state)
  }

  it('are those of the receipt, in whichever order their fields stand, to the last digit', async () => {
    expect(await check(REQUEST_TEXT, ANSWER_TEXT)).toEqual(['right', 'right'])
    const turned = REQUEST_TEXT.replace('"name":"ids","datatype":"INT64"', '"datatype":"INT64","name":"ids"')
    expect(await check(turned, '')).toEqual(['right'])
    expect(await check(REQUEST_TEXT.replace('740993', '740992'), '')).toEqual(['wrong'])
    expect(await check('', ANSWER_TEXT.replace('0.5', '0.25'))).toEqual(['wrong'])
  })

  it('are others with another choice of outputs', async () => {
    const wanted = REQUEST_TEXT.replace(/}$/, ',"outputs":[{"name":"score"}]}')
    expect(await check(wanted, '')).toEqual(['wrong'])
  })
})
