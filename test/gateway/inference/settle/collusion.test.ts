// A consumer and a node that belong together and do everything for the house's money. Whatever they try, all that they have together is at
// most what they had, less the fee for what was delivered; the house never pays. With it, the peers' real cases, one test each.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AccountPort, CallEnd } from '../../../../gateway/ledger/account-port.ts'
import { tokens } from '../../../../protocol/units.ts'
import { chat, finish, honest, nodeIdOf, sse, token, type ScriptedNode } from '../call-house.ts'
import { aPurse, FUNDS, readTexts, vanishing, type Purse } from './purse.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const CHAT = '/v1/chat/completions'
const STREAM = chat({ stream: true })

/** Together they have what they had, less what the house took; and it took its 5 % of what was charged, never less than nothing. */
async function expectNoGain(purse: Purse, charged: bigint) {
  const { consumer, operator, author, house, houseOthers } = await purse.money()
  const fee = (charged * 5n) / 100n
  expect({ paid: FUNDS - consumer, house, houseOthers }).toEqual({ paid: charged, house: fee, houseOthers: 0n })
  expect(consumer + operator + author).toBe(FUNDS - fee)
  expect((await purse.account.balance()).heldNanos).toBe(0n)
}

async function callWhole(purse: Purse, body = STREAM) {
  const { response, settled } = await purse.call(CHAT, body)
  const text = await response.text()
  await settled()
  return { text, call: (await purse.account.call(response.headers.get('x-souk-call-id') as never))! }
}

/** Reads so many texts, hangs up, and waits until that is settled. */
async function hangUpAfter(purse: Purse, texts: number) {
  const caller = new AbortController()
  const { response, settled } = await purse.call(CHAT, STREAM, { signal: caller.signal })
  const reader = await readTexts(response, texts)
  caller.abort()
  await reader.cancel()
  await settled()
}

describe('provoked crashes', () => {
  async function crashed(node: ScriptedNode, texts: number, progressMs = 0) {
    const { guard, reported } = vanishing()
    const purse = await aPurse({ nodes: [node], timeouts: { progressMs }, guard })
    const { response } = await purse.call(CHAT, STREAM)
    await readTexts(response, texts)
    if (progressMs === 0) await reported
    return purse
  }
  const oneToken: ScriptedNode = () => sse([token('one ', 1)], 'hang')

  it('after everything was delivered and nothing reported: the node is the one who worked for nothing', async () => {
    const purse = await crashed(oneToken, 1, 60_000)
    await purse.expireAll()
    await expectNoGain(purse, 0n)
  })

  it('after a progress: it is paid, with the fee', async () => {
    const purse = await crashed(oneToken, 1)
    await purse.expireAll()
    await expectNoGain(purse, 60n)
  })

  it('with a receipt that inflates', async () => {
    const purse = await crashed(oneToken, 1)
    await purse.lateReceipt(0, { input: 10 ** 9, output: 10 ** 9 })
    await purse.expireAll()
    await expectNoGain(purse, 60n)
  })

  it('with a receipt of nothing, to get the work without a fee: nobody is paid then', async () => {
    const purse = await crashed(oneToken, 1)
    await purse.lateReceipt(0, { input: 0, output: 0 })
    await purse.expireAll()
    await expectNoGain(purse, 0n)
  })

  it('with a receipt of another attempt, to be paid for one that failed', async () => {
    const purse = await crashed(oneToken, 1)
    await purse.lateReceipt(0, { input: 500, output: 100 }, { attempt: 3, nodeId: nodeIdOf(3) })
    await purse.expireAll()
    await expectNoGain(purse, 60n)
  })

  it('twenty times at once, each hold ends once', async () => {
    const { guard } = vanishing()
    const purse = await aPurse({ nodes: [oneToken], timeouts: { progressMs: 60_000 }, guard })
    const calls = await Promise.all(Array.from({ length: 20 }, () => purse.call(CHAT, STREAM)))
    await Promise.all(calls.map(({ response }) => readTexts(response, 1)))
    expect((await purse.account.balance()).heldNanos).toBeGreaterThan(0n)
    await purse.expireAll()
    await purse.expireAll()
    await expectNoGain(purse, 0n)
  })
})

describe('what is sent again', () => {
  it('captures, holds, progress and receipts of an ended call change nothing', async () => {
    const heard: { hold?: Parameters<AccountPort['hold']>[0]; end?: CallEnd } = {}
    const guard = (account: AccountPort): Partial<AccountPort> => ({
      hold: (request) => account.hold((heard.hold = request)),
      capture: (end) => account.capture((heard.end = end)),
    })
    const purse = await aPurse({ nodes: [honest], guard })
    await callWhole(purse)
    const end = heard.end!
    const [payer, ...shares] = end.legs
    const dearer = [
      { ...payer!, amountNanos: payer!.amountNanos * 2n },
      ...shares.map((leg) => ({ ...leg, amountNanos: leg.amountNanos * 2n })),
    ]
    for (let again = 0; again < 3; again++) {
      expect(await purse.account.capture(end)).toMatchObject({ ok: true, chargeNanos: 70n })
      expect(await purse.account.capture({ ...end, legs: dearer as never })).toMatchObject({ ok: false })
      expect(await purse.account.capture({ ...end, legs: [], outcome: 'failed' })).toMatchObject({ ok: false })
      expect(await purse.account.hold(heard.hold!)).toMatchObject({ ok: false, code: 'conflict' })
      await purse.lateReceipt(0, { input: 10 ** 9, output: 10 ** 9 })
      await purse.expireAll()
    }
    await expectNoGain(purse, 70n)
  })

  it('a capture that comes after the hold ran out is refused, with whatever legs', async () => {
    let held: CallEnd | null = null
    const guard = () => ({ capture: (end: CallEnd) => ((held = end), new Promise<never>(() => undefined)) })
    const purse = await aPurse({ nodes: [honest], timeouts: { progressMs: 60_000 }, guard })
    const { response } = await purse.call(CHAT, STREAM)
    await readTexts(response, 2)
    await vi.waitFor(() => expect(held).not.toBeNull())
    await purse.expireAll()
    expect(await purse.account.capture(held!)).toMatchObject({ ok: false, code: 'call_expired' })
    await expectNoGain(purse, 0n)
  })
})

describe('inflated counts', () => {
  // "hi" and its template are at most 40 input tokens; "one two" are 7 bytes; prices 10 nanos a token.
  it.each<[string, number, number]>([
    ['of the output', 5, 10 ** 6],
    ['of the input', 10 ** 6, 2],
    ['of both, as far as numbers go', 2 ** 53 - 1, 2 ** 53 - 1],
  ])('%s are paid up to what was ordered and what its bytes can be, fee and all', async (_, input, output) => {
    const node: ScriptedNode = () =>
      sse([token('one ', 1, input), token('two', output, input), finish(output, input), '[DONE]'])
    const purse = await aPurse({ nodes: [node] })
    const { call } = await callWhole(purse)
    expect(call.chargeNanos <= call.holdNanos).toBe(true)
    expect(call.outputTokens <= 7n).toBe(true)
    expect(purse.reports[0]?.driftPpm).toBeGreaterThan(400_000)
    await expectNoGain(purse, call.chargeNanos)
  })

  it('of a node of one’s own move money in a circle, and the house takes its fee of it', async () => {
    const purse = await aPurse({ nodes: [() => sse([token('x'.repeat(100), 100, 500), finish(100, 500), '[DONE]'])] })
    for (let again = 0; again < 5; again++) await callWhole(purse)
    const { consumer } = await purse.money()
    const each = (FUNDS - consumer) / 5n
    expect(each).toBeGreaterThan(1_000n)
    const { house } = await purse.money()
    expect(house).toBe(((each * 5n) / 100n) * 5n)
  })
})

describe('withheld ends', () => {
  it.each<[string, ScriptedNode]>([
    ['falls silent after its last token', () => sse([token('one ', 1), token('two', 2)], 'hang')],
    ['leaves out the end', () => sse([token('one ', 1), token('two', 2)])],
    ['breaks off before it', () => sse([token('one ', 1), token('two', 2)], 'break')],
  ])('the caller has the whole answer when the node %s: nobody is paid, nobody gains', async (_, node) => {
    const purse = await aPurse({ nodes: [node], timeouts: { gapMs: 50, progressMs: 0 } })
    expect((await callWhole(purse)).call).toMatchObject({ outcome: 'failed', chargeNanos: 0n })
    await purse.lateReceipt(0, { input: 5, output: 2 })
    await purse.expireAll()
    await expectNoGain(purse, 0n)
  })
})

describe('receipts handed in late', () => {
  it.each([
    ['what was charged', 5, 2],
    ['more', 10 ** 9, 10 ** 9],
    ['nothing', 0, 0],
  ])('that say %s move nothing', async (_, input, output) => {
    const purse = await aPurse({ nodes: [honest] })
    await callWhole(purse)
    expect(await purse.lateReceipt(0, { input, output })).toEqual({ outcome: 'recorded' })
    expect(await purse.lateReceipt(0, { input, output })).toEqual({ outcome: 'known' })
    await expectNoGain(purse, 70n)
  })

  it('by a node that was asked and failed are nobody’s', async () => {
    const purse = await aPurse({ nodes: [() => sse([], 'break'), honest], random: (n) => new Uint8Array(n).fill(1) })
    await callWhole(purse)
    expect(purse.sent).toHaveLength(2)
    expect(await purse.lateReceipt(0, { input: 5, output: 2 })).toEqual({ outcome: 'foreign' })
    await expectNoGain(purse, 70n)
  })

  it('before the end bind nobody to more', async () => {
    const purse = await aPurse({ nodes: [() => sse([token('one ', 1)], 'hang')] })
    const caller = new AbortController()
    const { response, settled } = await purse.call(CHAT, STREAM, { signal: caller.signal })
    const reader = await readTexts(response, 1)
    expect(await purse.lateReceipt(0, { input: 500, output: 100 })).toEqual({ outcome: 'noted' })
    caller.abort()
    await reader.cancel()
    await settled()
    await expectNoGain(purse, 60n)
  })
})

describe('what happened to others', () => {
  it('reading the answer and closing before the usage chunk is not free (GHSA-724j-f2pf-phf7)', async () => {
    const usageLast: ScriptedNode = () =>
      sse(
        [{ choices: [{ index: 0, delta: { content: 'a whole answer of some length' }, finish_reason: null }] }],
        'hang',
      )
    const purse = await aPurse({ nodes: [usageLast] })
    await hangUpAfter(purse, 1)
    // 29 bytes are at least two tokens; of the input nothing was said.
    await expectNoGain(purse, 20n)
  })

  it('hanging up after the last token pays for all of them', async () => {
    const purse = await aPurse({ nodes: [() => sse([token('one ', 1), token('two', 2)], 'hang')] })
    await hangUpAfter(purse, 2)
    await expectNoGain(purse, 70n)
  })

  it('a stream that ended in an upstream error is not billed ($23.17 elsewhere)', async () => {
    const purse = await aPurse({
      nodes: [() => sse([token('one ', 90, 500), { error: { code: 'internal', message: 'upstream' } }])],
      timeouts: { progressMs: 0 },
    })
    expect((await callWhole(purse)).call).toMatchObject({ outcome: 'failed', chargeNanos: 0n })
    await expectNoGain(purse, 0n)
  })

  it('no count passes the maximum of the model, the order or the bytes (1,165,619 tokens elsewhere)', async () => {
    const node: ScriptedNode = () => sse([token('x'.repeat(4_000), 1_165_619), finish(1_165_619), '[DONE]'])
    const purse = await aPurse({ nodes: [node] })
    const { call } = await callWhole(purse, chat({ stream: true, max_tokens: 20 }))
    expect(call.outputTokens).toBe(20n)
    await expectNoGain(purse, 250n)
  })

  it('explicit zero usage is zero, and never replaced by an estimate', async () => {
    const purse = await aPurse({ nodes: [() => sse([token('for free', 0, 0), finish(0, 0), '[DONE]'])] })
    expect((await callWhole(purse)).call).toMatchObject({
      outcome: 'complete',
      chargeNanos: 0n,
      outputTokens: tokens(0),
    })
    await expectNoGain(purse, 0n)
  })

  it('usage in a shape that is none costs what bytes prove, and never an estimate above them', async () => {
    const strange = {
      choices: [{ index: 0, delta: { content: 'one two' }, finish_reason: 'stop' }],
      usage: { promptTokens: 5, completionTokens: 900 },
    }
    const purse = await aPurse({ nodes: [() => sse([strange, '[DONE]'])] })
    expect((await callWhole(purse)).call).toMatchObject({
      outcome: 'complete',
      outputTokens: tokens(1),
      inputTokens: tokens(0),
    })
    await expectNoGain(purse, 10n)
  })

  it('a client that leaves a call without a stream still pays for the answer it ordered', async () => {
    const purse = await aPurse({ nodes: [honest] })
    const caller = new AbortController()
    const { settled, response } = purse.begin(CHAT, chat(), { signal: caller.signal })
    await vi.waitFor(() => expect(purse.sent).toHaveLength(1))
    caller.abort()
    await settled()
    await response.catch(() => undefined)
    await expectNoGain(purse, 70n)
  })
})
