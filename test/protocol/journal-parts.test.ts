// A call that several nodes were paid for, as a stranger checks it: its line says each one's part, and nothing of it can be said wrong.
import { describe, expect, it } from 'vitest'
import type { LineDraft } from '../../protocol/journal.ts'
import { nanos, tokens, type AccountId, type NodeId } from '../../protocol/units.ts'
import { aCall, aSigningKey, chain, fileOf, grant, START, type Entry } from '../support/journal.ts'
import { brokenOf } from './journal-broken.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const OTHER = 'node_pppppppppppppppp' as NodeId
const RIVAL = 'eeeeeeeeeeeeeeee' as AccountId
const OTHERS_NANOS = 40n

type Call = NonNullable<LineDraft['call']>
type Told = { legs: LineDraft['legs']; call: Call }

/** The node of the ticket finished; another one delivered 40 tokens before, at a nano each. */
async function aSharedCall(change: (told: Told) => Partial<Told> = (told) => told): Promise<Entry> {
  const { draft, proofs } = await aCall(signers, START + 1_000, 1, { outputTokens: 60n })
  const { call } = draft
  if (!call?.nodeId) throw new Error('a call has a node')
  const { nodeId } = call
  const charge = draft.legs.reduce((sum, { role, amountNanos }) => (role === 'payer' ? sum - amountNanos : sum), 0n)
  const legs = draft.legs.map((leg) => {
    if (leg.role === 'payer') return { ...leg, amountNanos: nanos(leg.amountNanos - OTHERS_NANOS) }
    return leg.role === 'operator' ? { ...leg, node: nodeId } : leg
  })
  const others = { party: RIVAL, role: 'operator', amountNanos: nanos(OTHERS_NANOS), node: OTHER } as const
  const parts = [
    { nodeId: OTHER, inputTokens: tokens(0), outputTokens: tokens(40), chargeNanos: nanos(OTHERS_NANOS) },
    { nodeId, inputTokens: tokens(12), outputTokens: tokens(60), chargeNanos: nanos(charge) },
  ]
  const holdNanos = nanos(call.holdNanos + 1_000n)
  const told = { legs: [...legs, others], call: { ...call, holdNanos, outputTokens: tokens(100), parts } }
  return { draft: { ...draft, ...told, ...change(told) }, ...(proofs && { proofs }) }
}

const broken = async (entry: Entry) =>
  brokenOf(await fileOf(signers.gateway, chain([{ draft: grant(START, 'g', 1_000_000_000n) }, entry])))

const call = (change: (call: Call) => Partial<Call>) => (told: Told) => ({
  ...told,
  call: { ...told.call, ...change(told.call) },
})
const part = (index: number, over: object) =>
  call(({ parts = [] }) => ({ parts: parts.map((each, at) => (at === index ? { ...each, ...over } : each)) }))
const leg = (role: string, over: object) => (told: Told) => ({
  ...told,
  legs: told.legs.map((each) => (each.role === role ? { ...each, ...over } : each)),
})

describe('a call of two nodes', () => {
  it('verifies with the ticket and the receipt of the one that finished', async () => {
    expect(await broken(await aSharedCall())).toBeNull()
  })

  it('verifies where the hold left less to the other', async () => {
    const less = (told: Told) => ({
      legs: told.legs.map((each) => {
        if (each.role === 'payer') return { ...each, amountNanos: nanos(each.amountNanos + 30n) }
        return each.party === RIVAL ? { ...each, amountNanos: nanos(10n) } : each
      }),
      call: part(0, { chargeNanos: nanos(10n) })(told).call,
    })
    expect(await broken(await aSharedCall(less))).toBeNull()
  })

  it.each<[string, (told: Told) => Partial<Told>, RegExp]>([
    ['parts of another charge', part(0, { chargeNanos: nanos(39n) }), /parts are not its charge/],
    ['a part below nothing', part(0, { chargeNanos: nanos(-1n) }), /below nothing/],
    ['parts of other units', part(0, { outputTokens: tokens(41) }), /parts are not its units/],
    ['a node without a part', part(0, { nodeId: 'node_xxxxxxxxxxxxxxxx' }), /paid that has no part/],
    ['no parts, though its legs name nodes', call(() => ({ parts: undefined })), /name the wrong nodes/],
    ['a leg without its node', leg('operator', { node: undefined }), /name the wrong nodes/],
    ['a node at the author’s leg', leg('author', { node: OTHER }), /name the wrong nodes/],
    [
      'more for the one that finished than its ticket says',
      call(({ parts = [] }) => ({
        parts: parts.map((each, at) => ({ ...each, chargeNanos: nanos(each.chargeNanos + (at === 0 ? -1n : 1n)) })),
      })),
      /above what its units cost/,
    ],
    [
      'more units for it than its ticket ordered',
      call(({ parts = [] }) => ({
        outputTokens: tokens(1_000_040),
        parts: parts.map((each, at) => (at === 1 ? { ...each, outputTokens: tokens(1_000_000) } : each)),
      })),
      /than the ticket ordered/,
    ],
  ])('does not verify with %s', async (_, change, why) => {
    expect(await broken(await aSharedCall(change))).toMatchObject({ seq: 2, why: expect.stringMatching(why) as string })
  })
})
