// Limits of keys and accounts with the real guard: under load, in shadow, changed while calls run; lists of nodes, rerolls, revoke-all, freeze.
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { NO_LIMITS } from '../../../../gateway/ledger/limits/limit-store.ts'
import type { Reply } from '../../../../gateway/ledger/account-port.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { instant, nanos, newAccountId, newKeyId, newNodeId, tokens } from '../../../../protocol/units.ts'
import { accounts, aCredit, aHold, aKey, anEnd, aPayer, callFor, legsOf, NODE, SECRET_HASH } from '../ledger-house.ts'

const OPERATOR = newAccountId(systemRandom)
const NEXT_HASH = 'ef'.repeat(32)
const budget = (amount: bigint, period: 'day' | 'month' | 'total' = 'total', shadow = false) => ({
  nanos: nanos(amount),
  period,
  shadow,
})
const fifty = <T>(ask: () => Promise<Reply<T>>) => Promise.all(Array.from({ length: 50 }, ask))
const codesOf = (replies: readonly Reply<unknown>[]) =>
  Object.fromEntries(
    [...new Set(replies.map((reply) => (reply.ok ? 'ok' : reply.code)))].map((code) => [
      code,
      replies.filter((reply) => (reply.ok ? 'ok' : reply.code) === code).length,
    ]),
  )

describe('of 50 parallel holds', () => {
  it('exactly 7 pass a key’s budget for 7, and the account’s other keys are not touched by it', async () => {
    const payer = await aPayer(100_000n, { limit: budget(700n) })
    expect(codesOf(await fifty(() => payer.port.hold(aHold(payer, 100n))))).toEqual({ ok: 7, key_budget_exceeded: 43 })
    const other = aKey()
    await payer.port.createKey(other)
    expect(await payer.port.hold(aHold({ ...payer, keyId: other.id }, 100n))).toMatchObject({ ok: true })
  })

  it('exactly 7 pass an account’s budget for 7, over all of its keys together', async () => {
    const payer = await aPayer(100_000n)
    const keys = Array.from({ length: 5 }, () => aKey())
    for (const key of keys) await payer.port.createKey(key)
    await payer.port.setLimits({ ...NO_LIMITS, limit: budget(700n, 'month') })
    let n = 0
    const next = () => keys[n++ % keys.length]?.id ?? payer.keyId
    const replies = await fifty(() => payer.port.hold(aHold({ ...payer, keyId: next() }, 100n)))
    expect(codesOf(replies)).toEqual({ ok: 7, account_budget_exceeded: 43 })
    expect(await payer.port.limits()).toMatchObject({
      limit: { spent: '0.000000000', held: '0.000000700' },
      held: '0.000000700',
      openCalls: 7,
    })
  })

  it('exactly as many pass as there are places for the account', async () => {
    const payer = await aPayer(100_000n)
    await payer.port.setLimits({ ...NO_LIMITS, concurrency: 3 })
    expect(codesOf(await fifty(() => payer.port.hold(aHold(payer, 1n))))).toEqual({ ok: 3, concurrency_limited: 47 })
  })
})

describe('limits of the account', () => {
  it('say which of them refused, beside what the key may', async () => {
    const payer = await aPayer(1_000n, { rpm: 100 })
    await payer.port.setLimits({ ...NO_LIMITS, rpm: 1, tpm: 50 })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({
      ok: true,
      headroom: { requests: { limit: 1, remaining: 0, resetMs: 60_000 }, tokens: { limit: 50, remaining: 40 } },
    })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 60_000,
      limit: { name: 'account_requests', limit: '1', remaining: '0', resetsAt: payer.clock() + 60_000 },
    })
    payer.clock.advance(60_000)
    const big = aHold(payer, 1n, { tokensMax: tokens(51) })
    expect(await payer.port.hold(big)).toMatchObject({ limit: { name: 'account_tokens', resetsAt: null } })
    expect(await payer.port.hold(aHold(payer, 1_001n))).toMatchObject({
      limit: { name: 'balance', limit: '0.000001000' },
    })
  })

  it('keep their counters when they are changed, and know what was spent before there was a limit', async () => {
    const payer = await aPayer(1_000n)
    await callFor(payer, 60n, OPERATOR)
    const open = aHold(payer, 10n)
    await payer.port.hold(open)
    const set = await payer.port.setLimits({ ...NO_LIMITS, limit: budget(100n, 'day'), rpm: 2 })
    expect(set).toMatchObject({ limits: { limit: { spent: '0.000000060', held: '0.000000010' }, openCalls: 1 } })
    expect(await payer.port.hold(aHold(payer, 31n))).toMatchObject({ code: 'account_budget_exceeded' })
    expect(await payer.port.hold(aHold(payer, 30n))).toMatchObject({ ok: true })
    await payer.port.setLimits({ ...NO_LIMITS, limit: budget(101n, 'month'), rpm: 3 })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({
      ok: true,
      headroom: { requests: { remaining: 1 } },
    })
    await payer.port.setLimits(NO_LIMITS)
    await payer.port.capture(anEnd(payer, open.callId, { legs: legsOf(payer.id, 10n, OPERATOR) }))
    await payer.port.setLimits({ ...NO_LIMITS, limit: budget(1n) })
    expect(await payer.port.limits()).toMatchObject({ limit: { spent: '0.000000070', held: '0.000000031' } })
  })

  it('in shadow refuse nothing, and count over all keys', async () => {
    const payer = await aPayer(1_000n)
    await payer.port.setLimits({ ...NO_LIMITS, limit: budget(10n, 'day', true), rpm: 1, ratesShadow: true })
    for (let n = 0; n < 3; n++) expect(await payer.port.hold(aHold(payer, 5n))).toMatchObject({ ok: true })
    expect(await payer.port.limits()).toMatchObject({
      shadowRefused: 2,
      shadowRefusedAt: expect.any(String) as unknown,
    })
    // What is really refused is no shadow's doing.
    expect(await payer.port.hold(aHold(payer, 10_000n))).toMatchObject({ code: 'insufficient_funds' })
    expect(await payer.port.limits()).toMatchObject({ shadowRefused: 2 })
  })

  it('are of no account that does not exist', async () => {
    const stranger = accounts(newAccountId(systemRandom))
    expect(await stranger.setLimits({ ...NO_LIMITS, rpm: 1 })).toMatchObject({ ok: false, code: 'not_found' })
  })
})

describe('a list of nodes', () => {
  it('refuses every other node, and says which it may use; nothing is held', async () => {
    const payer = await aPayer(1_000n, { nodes: [NODE] })
    const foreign = newNodeId(systemRandom)
    expect(await payer.port.hold(aHold(payer, 1n, { nodeIds: [NODE, foreign] }))).toMatchObject({
      ok: false,
      code: 'node_not_allowed',
      nodes: [NODE],
    })
    expect((await payer.port.balance()).heldNanos).toBe(0n)
    expect(await payer.port.hold(aHold(payer, 1n, { nodeIds: [NODE] }))).toMatchObject({ ok: true })
  })
})

describe('a reroll', () => {
  it('carries budget, rates and open holds over, and counts for both secrets together', async () => {
    const payer = await aPayer(1_000n, { limit: budget(100n), rpm: 3 })
    await callFor(payer, 60n, OPERATOR)
    const open = aHold(payer, 20n)
    await payer.port.hold(open)
    const reroll = { keyId: payer.keyId, secretHash: NEXT_HASH, hint: 'sk-souk-…new', graceMs: 1_000 }
    const first = await payer.port.rerollKey(reroll)
    expect(first).toMatchObject({ key: { hint: 'sk-souk-…new', openCalls: 1, limit: { spent: '0.000000060' } } })
    // The same reroll again, as after a lost answer, changes nothing.
    payer.clock.advance(10)
    expect(await payer.port.rerollKey(reroll)).toEqual(first)
    const withNext = { secretHash: NEXT_HASH }
    expect(await payer.port.hold(aHold(payer, 21n, withNext))).toMatchObject({ code: 'key_budget_exceeded' })
    expect(await payer.port.hold(aHold(payer, 20n, withNext))).toMatchObject({ ok: true })
    expect(await payer.port.hold(aHold(payer, 0n))).toMatchObject({ limit: { name: 'key_requests' } })
    payer.clock.advance(990)
    expect(await payer.port.hold(aHold(payer, 0n))).toMatchObject({ code: 'invalid_api_key' })
    const end = anEnd(payer, open.callId, { legs: legsOf(payer.id, 20n, OPERATOR) })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true })
  })

  it('wakes no key that is revoked, expired or unknown', async () => {
    const payer = await aPayer(0n)
    const ending = aKey({ expiresAt: instant(payer.clock() + 5) })
    await payer.port.createKey(ending)
    payer.clock.advance(5)
    await payer.port.revokeKey(payer.keyId)
    const reroll = (keyId: typeof payer.keyId) =>
      payer.port.rerollKey({ keyId, secretHash: NEXT_HASH, hint: '', graceMs: 0 })
    expect(await reroll(payer.keyId)).toMatchObject({ code: 'conflict' })
    expect(await reroll(ending.id)).toMatchObject({ code: 'conflict' })
    expect(await reroll(newKeyId(systemRandom))).toMatchObject({ code: 'not_found' })
  })
})

describe('revoking all keys', () => {
  it('says how many were good, stops every next hold, and lets what runs finish', async () => {
    const payer = await aPayer(1_000n)
    const open = aHold(payer, 20n)
    await payer.port.hold(open)
    await payer.port.createKey(aKey({ expiresAt: instant(payer.clock()) }))
    const second = aKey()
    await payer.port.createKey(second)
    expect(await payer.port.revokeAllKeys()).toEqual({ revoked: 2 })
    expect(await payer.port.revokeAllKeys()).toEqual({ revoked: 0 })
    for (const keyId of [payer.keyId, second.id])
      expect(await payer.port.hold(aHold({ ...payer, keyId }, 1n))).toMatchObject({ code: 'api_key_revoked' })
    expect(await payer.port.capture(anEnd(payer, open.callId))).toMatchObject({ ok: true })
  })
})

describe('a frozen account', () => {
  it('holds nothing new and says why; what runs finishes, what it earns arrives; both ends stand in the journal', async () => {
    const payer = await aPayer(1_000n)
    const open = aHold(payer, 20n)
    await payer.port.hold(open)
    const freeze = { cause: 'admin', reason: 'card reported stolen', by: OPERATOR } as const
    const frozen = await payer.port.freeze(freeze)
    expect(await payer.port.freeze({ ...freeze, reason: 'again' })).toEqual(frozen)
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({
      code: 'account_frozen',
      detail: 'card reported stolen',
    })
    // Nobody learns of it with a secret that is not the key's.
    const foreign = aHold(payer, 1n, { secretHash: 'cd'.repeat(32) })
    expect(await payer.port.hold(foreign)).toMatchObject({ code: 'invalid_api_key' })
    const end = anEnd(payer, open.callId, { legs: legsOf(payer.id, 20n, OPERATOR) })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true, chargeNanos: 20n })
    expect(await payer.port.credit(aCredit(OPERATOR, 1, 1, 5n))).toMatchObject({ ok: true })
    expect(await payer.port.balance()).toMatchObject({ availableNanos: 985n, heldNanos: 0n })
    expect(await payer.port.unfreeze('owner proved it', OPERATOR)).toMatchObject({ ok: true })
    expect(await payer.port.unfreeze('once more', OPERATOR)).toMatchObject({ ok: true })
    expect(await payer.port.hold(aHold(payer, 1n, { secretHash: SECRET_HASH }))).toMatchObject({ ok: true })
    const lines = (await payer.lines()).map(({ body }) => parseLine(body))
    expect(lines.map(({ kind }) => kind)).toEqual(['grant', 'freeze', 'call', 'credit', 'unfreeze'])
    expect(lines[1]).toMatchObject({ note: { reason: 'card reported stolen', by: OPERATOR }, deltaNanos: 0n })
    expect(lines[4]).toMatchObject({ note: { reason: 'owner proved it', by: OPERATOR }, deltaNanos: 0n })
  })
})
