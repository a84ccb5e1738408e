// What a node did, kept by day: each receipt once, whatever a crash noted twice, and at the prices of its ticket.
import { describe, expect, it } from 'vitest'
import { RECEIPT_LIMITS } from '../../../provider-node/receipts/receipt-limits.ts'
import { createHistory, ownOf, readHistory, type Own } from '../../../provider-node/receipts/history.ts'
import type { Kept } from '../../../provider-node/receipts/stored.ts'
import type { Receipt } from '../../../protocol/receipt.ts'
import type { Ticket } from '../../../protocol/ticket.ts'
import { MemoryDisk } from './memory-disk.ts'

const AT = Date.parse('2026-01-15T12:00:00.000Z')
const DAY = 86_400_000
const ALL = { from: '0000-00-00', to: '9999-99-99' }

const anOwn = (jti: string, over: Partial<Own> = {}): Own => ({
  jti,
  callId: 'call-1',
  attempt: 0,
  model: 'souk/tiny-chat',
  inputTokens: 1,
  outputTokens: 2,
  tensorBytes: 0,
  outcome: 'complete',
  expected: '12',
  at: AT,
  state: 'taken',
  ...over,
})

const jws = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

function aKept(receipt: Partial<Receipt> = {}, ticket: Partial<Ticket> = {}): Kept {
  const hash = '0'.repeat(64)
  const same = { jti: 'jti-1', callId: 'call-1', attempt: 0, model: 'souk/tiny-chat', modelDigest: hash }
  const claims: Receipt = {
    ...same,
    nodeKey: 'key',
    request: hash,
    outputs: [],
    inputTokens: 12,
    outputTokens: 100,
    startedAt: new Date(AT - 100).toISOString(),
    firstOutputAt: null,
    endedAt: new Date(AT).toISOString(),
    outcome: 'complete',
    continuedCharacters: 0,
    ...receipt,
  }
  const order: Ticket = {
    ...same,
    iss: 'gateway',
    aud: 'key',
    iat: 0,
    exp: 60,
    path: '/v1/chat/completions',
    inputTokensMax: 1_000,
    outputTokensMax: 1_000,
    prices: { input: '10000000', output: '10000000', cachedInput: '0', bytes: '1000000', perCall: '5' },
    bodySha256: hash,
    salt: 'c2FsdA',
    pseudonym: 'p',
    ...ticket,
  }
  return { t: 'kept', jti: 'jti-1', at: AT, ticket: jws(order), receipt: jws(claims) }
}

describe('what a receipt comes to', () => {
  it.each<[string, Partial<Receipt>, Partial<Ticket>, string]>([
    ['is its units at the prices of its ticket, and the price of a call', {}, {}, '1125'],
    ['is rounded up once', { inputTokens: 0, outputTokens: 0, tensorBytes: 1 }, { tensorBytesMax: 10 }, '6'],
    ['is never more than was ordered', {}, { outputTokensMax: 10 }, '225'],
    ['is nothing when the node says itself that it failed', { outcome: 'failed' }, {}, '0'],
    ['counts what was delivered until a caller left', { outcome: 'cancelled', outputTokens: 3 }, {}, '155'],
  ])('%s', (_, receipt, ticket, expected) => {
    expect(ownOf(aKept(receipt, ticket), 'taken')).toMatchObject({ expected, state: 'taken', at: AT, jti: 'jti-1' })
  })

  it('is not guessed where a receipt or its ticket cannot be read', () => {
    expect(ownOf({ ...aKept(), ticket: 'none' }, 'taken')).toBeNull()
    expect(ownOf({ ...aKept(), receipt: 'none' }, 'taken')).toBeNull()
  })
})

describe('the history', () => {
  it('is read as it was noted, by day', async () => {
    const disk = new MemoryDisk()
    const history = createHistory(disk, () => undefined)
    await history.add([anOwn('a'), anOwn('b', { at: AT + DAY, state: 'bad_ticket', tensorBytes: 7 })])
    await history.add([anOwn('c')])
    expect([...disk.files.keys()]).toEqual(['2026-01-15.log', '2026-01-16.log'])
    expect(await readHistory(disk, { from: '2026-01-15', to: '2026-01-15' })).toEqual([anOwn('a'), anOwn('c')])
    expect(await readHistory(disk, ALL)).toHaveLength(3)
  })

  it('has each receipt once, as it was noted last', async () => {
    const disk = new MemoryDisk()
    await createHistory(disk, () => undefined).add([anOwn('a', { state: 'expired' })])
    await createHistory(disk, () => undefined).add([anOwn('a')])
    expect(await readHistory(disk, ALL)).toEqual([anOwn('a')])
  })

  it('goes on behind a line that a crash cut short', async () => {
    const disk = new MemoryDisk()
    await createHistory(disk, () => undefined).add([anOwn('a'), anOwn('b')])
    const [, file] = disk.only()
    file.bytes = file.bytes.subarray(0, -20)
    await createHistory(disk, () => undefined).add([anOwn('c')])
    expect((await readHistory(disk, ALL)).map(({ jti }) => jti)).toEqual(['a', 'c'])
  })

  it('waits in memory for a disk that is full', async () => {
    const disk = new MemoryDisk()
    const errors: string[] = []
    const history = createHistory(disk, (code) => errors.push(code))
    disk.failure = 'ENOSPC'
    await history.add([anOwn('a')])
    expect(errors).toEqual(['history'])
    disk.failure = null
    await history.add([anOwn('b')])
    expect((await readHistory(disk, ALL)).map(({ jti }) => jti)).toEqual(['a', 'b'])
  })

  it('keeps so many days of work, the newest, whatever the clock says', async () => {
    const disk = new MemoryDisk()
    for (let day = 0; day < RECEIPT_LIMITS.historyDays + 5; day++)
      await createHistory(disk, () => undefined).add([anOwn(`jti-${day}`, { at: AT + day * DAY })])
    expect(disk.files.size).toBeLessThanOrEqual(RECEIPT_LIMITS.historyDays + 1)
    const found = await readHistory(disk, ALL)
    expect(found.at(-1)?.jti).toBe(`jti-${RECEIPT_LIMITS.historyDays + 4}`)
    expect(found.map(({ jti }) => jti)).not.toContain('jti-0')
    const size = disk.files.size
    await createHistory(disk, () => undefined).add([anOwn('late', { at: AT + 4_000 * DAY })])
    expect(disk.files.size).toBeGreaterThanOrEqual(size - 1)
  })
})
