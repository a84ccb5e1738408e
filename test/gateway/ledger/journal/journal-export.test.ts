import { describe, expect, it } from 'vitest'
import { HEAD_TYP, HeadClaims, JournalHeadReply } from '../../../../protocol/journal-export.ts'
import { openKeys } from '../../../../protocol/journal-proofs.ts'
import { verifyJournal } from '../../../../protocol/journal-verify.ts'
import { verifyClaims } from '../../../../protocol/ticket.ts'
import { nanos, newAccountId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { accounts, aClock, aCredit, anAccount, anEnd, aHold, aPayer, callFor } from '../ledger-house.ts'
import { journalApi, key, piecesOf, provenCall } from './journal-house.ts'

const admin = newAccountId(systemRandom)
const verify = (text: string) => verifyJournal(piecesOf(text))
const ndjson = { accept: 'application/x-ndjson' }

/** A journal with a line of every kind, written by the guard itself. */
async function aLife() {
  const payer = await aPayer(10_000_000_000n)
  const { port, clock, id } = payer
  const operator = (await anAccount(clock)).id
  const by = admin
  await port.grant({ transferId: 'code:1', kind: 'code', amountNanos: nanos(5n), reason: 'c', by: null })
  await port.grant({ transferId: 'faucet:1', kind: 'faucet', amountNanos: nanos(5n), reason: 'f', by: null })
  await port.grant({ transferId: 'topup:1', kind: 'topup', amountNanos: nanos(50_000n), reason: 'card', by: null })
  const call = await provenCall(payer, operator)
  await provenCall(payer, id)
  const late = await provenCall(payer, operator, { late: true })
  const failed = aHold(payer, 100n)
  await port.hold(failed)
  await port.capture(anEnd(payer, failed.callId, { outcome: 'failed', errorCode: 'provider_failed', legs: [] }))
  const gone = aHold(payer, 100n)
  await port.hold(gone)
  await port.lateReceipt({
    callId: late.callId,
    attempt: 0,
    nodeId: anEnd(payer, late.callId).nodeId!,
    ...late.units,
    receipt: late.receipt,
    ticket: late.ticket,
  })
  await port.refund({ transferId: 'refund:1', callId: call.callId, amountNanos: nanos(5n), reason: 'r', by })
  await port.refund({ transferId: 'refund:2', callId: call.callId, amountNanos: nanos(6n), reason: 'r', by })
  await port.credit({ ...aCredit(operator, 1, 4, 3_000_000_000n), feesNanos: nanos(1_000n) })
  await port.credit(aCredit(operator, 5, 5, 3n))
  await port.payAudit({ transferId: 'audit:1', amountNanos: nanos(50n), reason: 'a' })
  const out = { transferId: 'withdrawal:1', amountNanos: nanos(1_000_000_000n), address: `0x${'1'.repeat(40)}` }
  await port.withdraw(out)
  await port.returnWithdrawal({ transferId: 'return:1', withdrawal: 'withdrawal:1', reason: 'r', by })
  const take = { of: 'topup:1', ofAccount: id, reason: 'r', by }
  await port.takeBack({ transferId: 'chargeback:1', kind: 'chargeback', amountNanos: nanos(50_000n), ...take })
  await port.takeBack({
    transferId: 'claw:1',
    kind: 'clawback',
    amountNanos: nanos(9n),
    ...take,
    of: call.callId,
    ofAccount: operator,
  })
  await port.freeze({ cause: 'admin', reason: 'look', by })
  clock.advance(120_000)
  await payer.alarm()
  await port.unfreeze('looked', by)
  return { payer, call, late, api: journalApi(id, clock) }
}

describe('the journal as a file', () => {
  it('holds a line of every kind with its proofs, and verifies whole', async () => {
    const { payer, api } = await aLife()
    const response = await api('/journal', ndjson)
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const text = await response.text()
    const verified = await verify(text)
    expect(verified.broken).toBeNull()
    const kinds = Object.keys(verified.summary?.kinds ?? {})
    expect(kinds.sort()).toEqual([
      'audit',
      'call',
      'chargeback',
      'clawback',
      'code',
      'credit',
      'faucet',
      'freeze',
      'grant',
      'receipt',
      'refund',
      'topup',
      'unfreeze',
      'withdrawal',
      'withdrawal_return',
    ])
    expect(verified.summary?.lines).toBe((await payer.lines()).length)
    expect(verified.proofs).toEqual({ calls: 5, tickets: 4, receipts: 3, ticketsNotKept: 0, receiptsNotKept: 0 })
    expect(verified.head).toMatchObject({ accountId: payer.id, at: new Date(payer.clock()).toISOString() })
  })

  it('puts a late receipt at its own line, with the ticket of its call', async () => {
    const { api, late } = await aLife()
    const lines = (await (await api('/journal?format=ndjson')).text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>)
    const at = lines.filter(({ receipt }) => receipt === late.receipt)
    expect(at.map(({ ticket, body }) => [ticket, (JSON.parse(body ?? '') as { kind: string }).kind])).toEqual([
      [late.ticket, 'receipt'],
    ])
  })

  it('verifies after retention deleted what is not money, and counts what is not kept', async () => {
    const { payer, api } = await aLife()
    await payer.sql(`UPDATE holds SET detail = NULL`)
    const verified = await verify(await (await api('/journal?format=ndjson')).text())
    expect(verified.broken).toBeNull()
    expect(verified.proofs).toEqual({ calls: 5, tickets: 0, receipts: 0, ticketsNotKept: 3, receiptsNotKept: 2 })
  })

  it('begins after a line that is named, and the part verifies by its signed end', async () => {
    const { payer, api } = await aLife()
    const all = (await payer.lines()).length
    for (const after of [1, 7, all]) {
      const text = await (await api(`/journal?format=ndjson&after=${after}`)).text()
      const verified = await verify(text)
      expect(verified.broken).toBeNull()
      expect(verified.summary?.lines).toBe(all - after)
    }
    expect((await api(`/journal?format=ndjson&after=${all + 1}`)).status).toBe(400)
    expect((await api('/journal?format=ndjson&after=x')).status).toBe(400)
  })

  it('is whole for an account to which nothing happened', async () => {
    const clock = aClock()
    const id = newAccountId(systemRandom)
    const verified = await verify(await (await journalApi(id, clock)('/journal', ndjson)).text())
    expect(verified).toMatchObject({ broken: null, head: { accountId: id, seq: 0, balance: '0.000000000' } })
  })

  it('comes page by page, as the reader asks for it', async () => {
    const payer = await aPayer(1_000_000_000n)
    for (let i = 0; i < 20; i++) await callFor(payer, 5n, payer.id)
    let asked = 0
    const guards = (id: typeof payer.id) => ({
      ...accounts(id),
      journal: async (after: number, proofs: boolean) => {
        asked += 1
        return (await accounts(id).journal(after, proofs)).slice(0, 4)
      },
    })
    const response = await journalApi(payer.id, payer.clock, guards)('/journal', ndjson)
    const reader = response.body!.getReader()
    await reader.read()
    await reader.read()
    expect(asked).toBe(1)
    let text = ''
    for (let read = await reader.read(); !read.done; read = await reader.read())
      text += new TextDecoder().decode(read.value)
    expect(asked).toBe(6)
    expect(text.trim().split('\n')).toHaveLength(21 - 4 + 1)
  })

  it('breaks off without its end when a page cannot be read, and is then not whole', async () => {
    const payer = await aPayer(1_000_000_000n)
    for (let i = 0; i < 6; i++) await callFor(payer, 5n, payer.id)
    for (const second of [async () => Promise.reject(new Error('planned')), async () => []]) {
      const guards = (id: typeof payer.id) => ({
        ...accounts(id),
        journal: async (after: number, proofs: boolean) =>
          after === 0 ? (await accounts(id).journal(after, proofs)).slice(0, 4) : second(),
      })
      const response = await journalApi(payer.id, payer.clock, guards)('/journal', ndjson)
      let text = ''
      const reader = response.body!.getReader()
      const read = async (): Promise<void> => {
        const { value, done } = await reader.read()
        if (done) return
        text += new TextDecoder().decode(value)
        await read()
      }
      await expect(read()).rejects.toThrow()
      expect((await verify(text)).broken).toEqual({ seq: 5, why: 'the file ends without its signed head: it was cut' })
    }
  })

  it('is bounded by lines and by characters a page, and always goes on', async () => {
    const payer = await aPayer(1_000_000_000n)
    await callFor(payer, 5n, payer.id)
    expect(LEDGER.journalChars).toBeLessThan(32 * 1024 * 1024)
    expect((await payer.port.journal(0, true)).map(({ seq }) => seq)).toEqual([1, 2])
    expect(await payer.port.journal(2, true)).toEqual([])
  })
})

describe('the head of the journal', () => {
  it('is signed by the gateway under its kid', async () => {
    const { payer, api } = await aLife()
    const reply = JournalHeadReply.parse(await (await api('/journal/head')).json())
    const { head, ...said } = reply
    const keys = await openKeys([key.jwks])
    const verified = await verifyClaims(head, HEAD_TYP, HeadClaims, keys.gateway)
    expect(verified).toEqual({ ok: true, value: said })
    const last = (await payer.lines()).at(-1)
    expect(said).toMatchObject({ accountId: payer.id, seq: last?.seq, hash: last?.hash })
  })
})

describe('the time of a line', () => {
  it('never goes back, whatever the clock does', async () => {
    const payer = await aPayer(1_000_000_000n)
    await callFor(payer, 5n, payer.id)
    payer.clock.advance(-3_600_000)
    await callFor(payer, 5n, payer.id)
    payer.clock.advance(3_600_001)
    await callFor(payer, 5n, payer.id)
    const times = (await payer.lines()).map(({ body }) => (JSON.parse(body) as { at: number }).at)
    expect(times[2]).toBe(times[1])
    expect(times[3]).toBe((times[1] ?? 0) + 1)
  })
})
