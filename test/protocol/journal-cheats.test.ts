import { describe, expect, it } from 'vitest'
import { HOUSE } from '../../protocol/units.ts'
import {
  ACCOUNT,
  aCall,
  aLateReceipt,
  aLife,
  aSigningKey,
  callIdOf,
  chain,
  correction,
  credit,
  fileOf,
  grant,
  note,
  OPERATOR,
  START,
  withdrawal,
  type BodyJson,
  type CallOptions,
  type Entry,
} from '../support/journal.ts'
import { brokenOf } from './journal-broken.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const stranger = await aSigningKey()
const life = await aLife(signers)
const lines = chain(life)

const signed = async (entries: readonly Entry[]) => fileOf(signers.gateway, chain(entries))
const late = START + 100 * 86_400_000
const secondReceipt = await aLateReceipt(signers, late, 1)
const strayReceipt = await aLateReceipt(signers, late, 9)
const amountLeg = (body: BodyJson, at: number, amount: string) => Object.assign(body.legs[at] ?? {}, { amount })

const backwards = (body: BodyJson) => JSON.stringify(Object.fromEntries(Object.entries(body).reverse()))

describe('what a gateway that cheats would sign', () => {
  const tampered = (seq: number, tamper: (body: BodyJson) => void) =>
    life.map((entry, i) => (i + 1 === seq ? { ...entry, tamper } : entry))
  const swap = (seq: number, draft: Entry['draft']) => life.map((entry, i) => (i + 1 === seq ? { draft } : entry))
  const plus = (...drafts: Entry['draft'][]) => [...life, ...drafts.map((draft) => ({ draft }))]
  const end = life.length + 1
  const other = 'eeeeeeeeeeeeeeee' as typeof OPERATOR
  const cases: [string, readonly Entry[], number, RegExp][] = [
    ['a number in the text', tampered(2, (b) => (b['seq'] = 3)), 2, /another number/],
    ['an account in the text', tampered(2, (b) => (b['account'] = OPERATOR)), 2, /another account/],
    ['a time before the line before', tampered(4, (b) => (b['at'] = START)), 4, /time is before/],
    ['a field of no line', tampered(2, (b) => (b['extra'] = 1)), 2, /canonical/],
    ['an amount in another spelling', tampered(2, (b) => (b['delta'] = '0.00005')), 2, /canonical/],
    ['keys in another order', life.map((e, i) => (i === 1 ? { ...e, write: backwards } : e)), 2, /canonical/],
    ['an unknown kind', tampered(2, (b) => (b['kind'] = 'gift')), 2, /no line of a journal/],
    ['another kind', tampered(2, (b) => (b['kind'] = 'grant')), 2, /between house:grants/],
    ['two subjects', tampered(2, (b) => (b['note'] = { reason: 'r', by: null })), 2, /nothing else/],
    ['no subject', tampered(2, (b) => delete b['grant']), 2, /is about/],
    ['legs that do not sum to zero', tampered(3, (b) => amountLeg(b, 3, '0.000000037')), 3, /sum to zero/],
    [
      'a change of the balance that legs do not say',
      tampered(3, (b) => (b['delta'] = '-0.000000720')),
      3,
      /legs and credit say/,
    ],
    [
      'a leg of nothing',
      tampered(2, (b) => b.legs.push({ party: OPERATOR, role: 'author', amount: '0.000000000' })),
      2,
      /moves nothing/,
    ],
    [
      'a house account that pays for something else',
      swap(1, { ...grant(START, 'grant:1', 9n), legs: grant(START, 'x', 9n, 'audit').legs }),
      1,
      /house:grants/,
    ],
    [
      'a grant that takes',
      swap(2, {
        ...grant(START + 10, 'x', 9n),
        legs: [...withdrawal(0, 'x', 9n).legs].map((leg) => ({
          ...leg,
          party: leg.role === 'house' ? HOUSE.grants : leg.party,
        })),
      }),
      2,
      /the other way/,
    ],
    ['an empty grant', swap(2, { ...grant(START + 10, 'x', 9n), legs: [] }), 2, /more than nothing/],
    [
      'a charge above its hold',
      tampered(3, (b) => Object.assign(b['call'] as object, { hold: '0.000000720' })),
      3,
      /above what was held/,
    ],
    [
      'a failed call that is charged',
      tampered(3, (b) => Object.assign(b['call'] as object, { outcome: 'failed', errorCode: 'provider_failed' })),
      3,
      /failed call/,
    ],
    [
      'an outcome that contradicts itself',
      tampered(3, (b) => Object.assign(b['call'] as object, { errorCode: 'provider_failed' })),
      3,
      /contradict/,
    ],
    [
      'a share for the house elsewhere',
      tampered(3, (b) => Object.assign(b.legs[3] ?? {}, { party: HOUSE.grants })),
      3,
      /wrong party/,
    ],
    [
      'somebody else’s money',
      tampered(3, (b) => Object.assign(b.legs[0] ?? {}, { party: other })),
      3,
      /change of the balance/,
    ],
    ['a call without its id', tampered(3, (b) => (b['transferId'] = 'call:1')), 3, /names no call/],
    [
      'a refund above its charge',
      swap(7, correction(START + 50, 'refund:1', 'refund', callIdOf(1), 722n)),
      7,
      /more is refunded/,
    ],
    [
      'refunds above the charge together',
      swap(9, correction(START + 70, 'refund:2', 'refund', callIdOf(1), 22n)),
      9,
      /more is refunded/,
    ],
    [
      'a refund of a call of one’s own node above what it cost',
      swap(7, correction(START + 50, 'refund:1', 'refund', callIdOf(2), 61n)),
      7,
      /more is refunded/,
    ],
    [
      'a refund of no call',
      swap(7, correction(START + 50, 'refund:1', 'refund', callIdOf(9), 5n)),
      7,
      /does not stand before/,
    ],
    [
      'a refund of what comes later',
      swap(7, correction(START + 50, 'refund:1', 'refund', callIdOf(4), 5n)),
      7,
      /does not stand before/,
    ],
    [
      'a refund of a grant',
      swap(7, correction(START + 50, 'refund:1', 'refund', 'grant:1', 5n)),
      7,
      /does not stand before/,
    ],
    [
      'a refund of somebody’s call',
      swap(7, correction(START + 50, 'refund:1', 'refund', callIdOf(1), 5n, OPERATOR)),
      7,
      /of this journal/,
    ],
    [
      'a withdrawal that comes back twice',
      plus(correction(late, 'return:2', 'withdrawal_return', 'withdrawal:1', 2_000n)),
      end,
      /whole and once/,
    ],
    [
      'a withdrawal that comes back in part',
      swap(11, correction(life[10]!.draft.at, 'return:1', 'withdrawal_return', 'withdrawal:1', 1_999n)),
      11,
      /whole and once/,
    ],
    [
      'a chargeback of a grant',
      swap(13, correction(life[12]!.draft.at, 'cb', 'chargeback', 'grant:1', -5n)),
      13,
      /does not stand before/,
    ],
    [
      'a chargeback reinstated twice',
      plus(correction(late, 'reinstated:2', 'topup', 'chargeback:1', 50_000n)),
      end,
      /whole and once/,
    ],
    ['the same transfer again', plus(grant(late, 'grant:1', 5n)), end, /second time/],
    [
      'the same call charged again',
      [...life, { draft: { ...life[2]!.draft, at: life[18]!.draft.at } }],
      end,
      /second time/,
    ],
    ['a credit that overlaps', plus(credit(late, OPERATOR, 5, 6, 5n)), end, /credited already/],
    ['a credit from before', plus(credit(late, OPERATOR, 2, 3, 5n)), end, /credited already/],
    [
      'a credit whose parts are not its sum',
      tampered(8, (b) => Object.assign(b['credit'] as object, { author: '0.000000019' })),
      8,
      /not its sum/,
    ],
    ['a credit under another id', tampered(8, (b) => (b['transferId'] = 'credit:x')), 8, /another credit/],
    ['a credit of nothing', plus(credit(late, other, 1, 1, 0n)), end, /below nothing/],
    ['a credit by oneself', plus(credit(late, ACCOUNT, 1, 1, 5n)), end, /credits nobody/],
    [
      'more vesting than was earned',
      tampered(8, (b) => Object.assign(b['credit'] as object, { vesting: [{ until: 1, amount: '0.000003001' }] })),
      8,
      /more vests/,
    ],
    [
      'a freeze of what is frozen',
      plus(note(late, 'f1', 'freeze'), note(late, 'f2', 'freeze')),
      end + 1,
      /frozen already/,
    ],
    ['an unfreeze of what is not', plus(note(late, 'f1', 'unfreeze')), end, /not frozen/],
    [
      'a withdrawal while frozen',
      plus(note(late, 'f1', 'freeze'), withdrawal(late, 'w2', 5n)),
      end + 1,
      /frozen account/,
    ],
    ['a balance below zero', plus(withdrawal(late, 'w2', 1_000_000_000n)), end, /below zero/],
    ['a second receipt', [...life, secondReceipt], end, /receipt already/],
    ['a receipt of no call', [...life, strayReceipt], end, /does not stand before/],
  ]
  it.each(cases)('%s: found', async (_, entries, seq, why) => {
    const broken = await brokenOf(await signed(entries))
    expect(broken?.why).toMatch(why)
    expect(broken?.seq).toBe(seq)
  })

  const proofCases: [string, CallOptions, RegExp][] = [
    [
      'a charge one nano over the price',
      { ticket: { prices: { input: '1500000', output: '7000001', cachedInput: '0', bytes: '0', perCall: '1' } } },
      /not what its units cost/,
    ],
    [
      'a charge one nano under the price',
      { ticket: { prices: { input: '1500000', output: '7000001', cachedInput: '0', bytes: '0', perCall: '3' } } },
      /not what its units cost/,
    ],
    ['more input than ordered', { ticket: { inputTokensMax: 11 } }, /more units/],
    ['more output than ordered', { ticket: { outputTokensMax: 99 } }, /more units/],
    ['a ticket of another call', { ticket: { callId: callIdOf(8) } }, /ticket is for another call/],
    ['a ticket of another model', { ticket: { model: 'test/other' } }, /another model/],
    ['a ticket signed by a stranger', { ticketKey: stranger }, /not signed by a key of the gateway/],
    ['a receipt signed by a stranger', { receiptKey: stranger }, /not signed by the node/],
    ['a receipt of another call', { receipt: { callId: callIdOf(8) } }, /receipt is for another call/],
    ['a receipt of another ticket', { receipt: { jti: 'x' } }, /does not belong/],
    ['a receipt of another attempt', { receipt: { attempt: 1 } }, /does not belong/],
    ['a receipt of another node', { receipt: { nodeKey: stranger.x } }, /does not belong/],
    ['a receipt of another model', { receipt: { model: 'test/other' } }, /does not belong/],
    ['a receipt of another digest', { receipt: { modelDigest: 'ee'.repeat(32) } }, /does not belong/],
  ]
  it.each(proofCases)('%s: found', async (_, options, why) => {
    const entries = [
      ...life.slice(0, 2),
      await aCall(signers, START + 20, 1, options),
      await aCall(signers, START + 30, 2),
    ]
    const broken = await brokenOf(await signed(entries))
    expect(broken?.why).toMatch(why)
    expect(broken?.seq).toBe(3)
  })

  it('a balance that the lines do not give, another line, another account, another key: found at the head', async () => {
    const heads: [Parameters<typeof fileOf>[2], RegExp][] = [
      [{ head: { balance: '1.000000000' } }, /signed balance/],
      [{ head: { seq: 18 } }, /signed head is line 18/],
      [{ head: { hash: 'ab'.repeat(32) } }, /another hash/],
      [{ head: { accountId: OPERATOR } }, /another account/],
      [{ headKey: stranger }, /not signed/],
    ]
    for (const [options, why] of heads)
      expect((await brokenOf(await fileOf(signers.gateway, lines, options)))?.why).toMatch(why)
  })

  it('a part whose signed end means a balance below zero before it: found at that line', async () => {
    const drained = chain([
      { draft: grant(START, 'g', 100n) },
      { draft: withdrawal(START, 'w', 90n) },
      { draft: grant(START, 'g2', 50n) },
    ])
    expect(await brokenOf(await fileOf(signers.gateway, drained, { after: 1 }))).toBeNull()
    const lied = await fileOf(signers.gateway, drained, { after: 1, head: { balance: '0.000000049' } })
    expect(await brokenOf(lied)).toEqual({ seq: 2, why: 'the balance falls below zero' })
  })

  it('the earlier of a fault in a line and a fault in a proof is told', async () => {
    const bad = await aCall(signers, START + 20, 1, { ticketKey: stranger })
    const entries = [
      ...life.slice(0, 2),
      bad,
      ...life.slice(3, 6),
      { draft: correction(START + 50, 'r', 'refund', callIdOf(1), 722n) },
    ]
    expect(await brokenOf(await signed(entries))).toMatchObject({ seq: 3 })
  })
})
