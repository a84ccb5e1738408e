// Every reason an operator is given: what must be said, what must not, and that each says what to do.
import { describe, expect, it } from 'vitest'
import {
  noticesOf,
  reasonsOf,
  type OfferStanding,
  type StatusFacts,
} from '../../../../gateway/market/nodes/node-status.ts'
import { PARAMETERS, type Parameter } from '../../../../protocol/routing.ts'
import { instant, type NodeId } from '../../../../protocol/units.ts'
import { anOffer } from '../builders.ts'

const NOW = instant(Date.UTC(2030, 0, 2))
const none = { calls: 0, errors: 0, inputTokens: 0, outputTokens: 0, tensorBytes: 0, earned: '0.000000000' }
const some = { ...none, calls: 3 }

const aRival = (over: Parameters<typeof anOffer>[0] = {}) =>
  anOffer({ nodeId: 'node_bbbbbbbbbbbbbbbb' as NodeId, ...over }) // of an id's form
const aStanding = (over: Partial<OfferStanding> = {}, offer: Parameters<typeof anOffer>[0] = {}): OfferStanding => ({
  offer: anOffer({ parameters: new Set(PARAMETERS), region: 'EU', ...offer }),
  state: 'live',
  reason: null,
  model: { id: 'maker/chat', task: 'chat', state: 'active', reason: null, replacedBy: null },
  collectsData: null,
  ticketsRefused: 0,
  rivals: [aRival()],
  ...over,
})

const fine: StatusFacts['node'] = {
  state: 'active',
  reason: null,
  endpoint: 'https://node.example.com',
  provedAt: 1,
  linkUpAt: null,
  linkDownAt: null,
  wireVersion: 2,
}
const facts = (over: Partial<StatusFacts> = {}, node: Partial<StatusFacts['node']> = {}): StatusFacts => ({
  node: { ...fine, ...node },
  offers: [aStanding()],
  traffic: { hour: some, day: some, month: some },
  lastCallAt: instant(NOW - 60_000),
  frozen: null,
  probation: null,
  suspension: null,
  now: NOW,
  ...over,
})
const model = (over: Partial<OfferStanding['model']>) => ({ ...aStanding().model, ...over })
const suspension = {
  what: 'suspended',
  by: 'audit',
  reason: 'Its answers were wrong.',
  evidence: { wrong: 7, asked: 12, models: ['not told'] },
  at: '2030-01-01T00:00:00.000Z',
} as const
const probation = { served: 13, attempts: 20, waitingShare: 0.5, until: '2030-01-10T00:00:00.000Z' }
const without = (...missing: Parameter[]) => new Set(PARAMETERS.filter((name) => !missing.includes(name)))
const link = { endpoint: 'link', linkUpAt: 1 }

describe('why a node gets no traffic, or less than it could', () => {
  it('is nothing where nothing is wrong', () => {
    expect(reasonsOf(facts())).toEqual([])
    expect(reasonsOf(facts({}, link))).toEqual([])
    expect(noticesOf(facts())).toEqual([])
  })

  it.each<[string, StatusFacts, string[]]>([
    ['revoked', facts({}, { state: 'revoked' }), ['took its authorisation back', 'souk-node register']],
    [
      'suspended',
      facts({}, { state: 'suspended', reason: 'An audit failed.' }),
      ['It is suspended: An audit failed. It is', 'write to the house'],
    ],
    [
      'suspended by audits, with when and what was found',
      facts({ suspension }, { state: 'suspended', reason: suspension.reason }),
      [
        'since 2030-01-01T00:00:00.000Z by audits: Its answers were wrong (wrong 7, asked 12).',
        'no other node meanwhile',
        'To do: mend',
        'lets it in again, in probation',
      ],
    ],
    ['draining', facts({}, { state: 'draining', reason: 'x' }), ['draining', 'souk-node drain --undo']],
    [
      'draining with calls under way',
      facts({ offers: [aStanding({}, { inFlight: 2 }), aStanding({}, { inFlight: 1 })] }, { state: 'draining' }),
      ['no new calls (3 are still under way)'],
    ],
    ['never linked', facts({}, { ...link, linkUpAt: null }), ['no link yet', 'souk-node start']],
    [
      'its link gone',
      facts({}, { ...link, linkUpAt: null, linkDownAt: NOW }),
      ['2030-01-02T00:00:00.000Z', 'souk-node doctor'],
    ],
    [
      'unproved',
      facts({}, { state: 'pending', provedAt: null, reason: 'The endpoint proof failed. It could not be reached.' }),
      ['could not be reached', 'https://node.example.com', 'souk-node doctor'],
    ],
    ['in probation', facts({}, { state: 'probation' }), ['about 20 %', 'nothing to do']],
    [
      'in probation, of which its guard knows more',
      facts({ probation }, { state: 'probation' }),
      ['50 % of what it earns now can be spent from 2030-01-10 on', 'served 20 calls well, and 13 are done'],
    ],
    [
      'in probation, its guard away',
      facts({ probation: { ...probation, served: null } }, { state: 'probation' }),
      ['served 20 calls well.'],
    ],
    ['without offers', facts({ offers: [aStanding({ state: 'paused' })] }), ['no model', 'souk-node models add']],
    [
      'unprobed',
      facts({ offers: [aStanding({ state: 'pending', reason: 'Probe 1: Its answer is not the known one.' })] }),
      ['maker/chat: Probe 1', 'souk-node selftest'],
    ],
    [
      'with a model that was withdrawn',
      facts({
        offers: [aStanding({ state: 'paused', model: model({ state: 'withdrawn', replacedBy: 'maker/new' }) })],
      }),
      ['withdrawn', 'Use maker/new', 'souk-node models remove'],
    ],
    [
      'with one that is blocked',
      facts({ offers: [aStanding({ model: model({ state: 'blocked', reason: 'Abuse.' }) })] }),
      ['blocked', 'Abuse.', 'souk-node models remove'],
    ],
    [
      'left alone by its breaker',
      facts({ offers: [aStanding({}, { breaker: 'open', breakerUntil: instant(NOW + 1_000) })] }),
      ['until 2030-01-02T00:00:01.000Z', 'look into its log'],
    ],
    [
      'on trial',
      facts({ offers: [aStanding({}, { breaker: 'open', breakerUntil: NOW })] }),
      ['one call at a time', 'look into its log'],
    ],
    [
      'failing at times',
      facts({ offers: [aStanding({}, { success: 0.949 })] }),
      ['about 5 % of its last calls failed', 'look into its log'],
    ],
    [
      'left alone by its breaker, because it refuses every ticket',
      facts({ offers: [aStanding({ ticketsRefused: 3 }, { breaker: 'open', breakerUntil: instant(NOW + 1_000) })] }),
      ['refused the gateway’s ticket 3 times since it last answered', 'set its clock right', 'souk-node doctor'],
    ],
    [
      'on trial after a refused ticket',
      facts({ offers: [aStanding({ ticketsRefused: 1 }, { breaker: 'open', breakerUntil: NOW })] }),
      ['one call at a time', 'ticket once since', 'souk-node doctor'],
    ],
    [
      'refusing tickets at times',
      facts({ offers: [aStanding({ ticketsRefused: 2 }, { success: 0.949 })] }),
      ['about 5 % of its last calls failed', 'ticket 2 times', 'souk-node doctor'],
    ],
    ['full', facts({ offers: [aStanding({}, { inFlight: 4 })] }), ['4 of 4', 'offer more at the same time']],
    [
      'too dear',
      facts({ offers: [aStanding({}, { usd: '20.1' })] }),
      ['1,000 tokens in and 500 out costs $0.03015 here and $0.015 at the cheapest', '2 times', 'souk-node price'],
    ],
    [
      'refusing as busy',
      facts({ offers: [aStanding({}, { busyShare: 0.051 })] }),
      ['refused about 5 % of its last calls as busy.', 'concurrencyMax', 'queueMax'],
    ],
    [
      'refusing as busy, and held back for it',
      facts({ offers: [aStanding({}, { busyShare: 0.4, inFlightCap: 2, inFlight: 2 })] }),
      ['about 40 %', 'at most 2 at the same time and not the 4 it offers'],
    ],
    [
      'held back because it queues',
      facts({ offers: [aStanding({}, { inFlightCap: 3 })] }),
      ['come late', 'at most 3 at the same time and not the 4', 'forgotten within twenty minutes'],
    ],
    [
      'late beside the others',
      facts({ offers: [aStanding({}, { firstTokenMs: 201 })] }),
      ['begin after 201 ms', 'half the others within 100 ms', 'souk-node bench'],
    ],
    [
      'slow beside the others',
      facts({ offers: [aStanding({}, { unitsPerSecond: 24.9 })] }),
      ['gives 25 units a second', 'half of the others 50 or more', 'souk-node bench'],
    ],
    [
      'distrusted by audits',
      facts({ offers: [aStanding({}, { trust: 0.4 })] }),
      ['to about 40 %', 'GET /api/nodes/node_aaaaaaaaaaaaaaaa/audits', 'souk-node doctor'],
    ],
    [
      'not asked',
      facts({ traffic: { hour: none, day: some, month: some } }),
      ['No call has come since 2030-01-01T23:59:00.000Z', 'about 50 % of those for maker/chat', 'lower prices'],
    ],
    [
      'never asked',
      facts({ traffic: { hour: none, day: none, month: none }, lastCallAt: null }),
      ['No call has come yet', 'nothing is wrong'],
    ],
  ])('%s: in words, with what to do', (_, given, words) => {
    const reasons = reasonsOf(given)
    expect(reasons).toHaveLength(1)
    for (const word of words) expect(reasons[0]).toContain(word)
  })

  it.each<[string, StatusFacts]>([
    ['95 % of its calls well done', facts({ offers: [aStanding({}, { success: 0.95 })] })],
    ['5 % refused as busy', facts({ offers: [aStanding({}, { busyShare: 0.05 })] })],
    ['twice as late as the others', facts({ offers: [aStanding({}, { firstTokenMs: 200 })] })],
    ['half as fast', facts({ offers: [aStanding({}, { unitsPerSecond: 25 })] })],
    ['nobody to be late or slow beside', facts({ offers: [aStanding({ rivals: [] }, { firstTokenMs: 9_000 })] })],
    [
      'a ticket that was refused once, among many answers',
      facts({ offers: [aStanding({ ticketsRefused: 1 }, { success: 0.96 })] }),
    ],
    ['95 % of the trust of audits', facts({ offers: [aStanding({}, { trust: 0.95 })] })],
    ['a place free', facts({ offers: [aStanding({}, { inFlight: 3 })] })],
    ['at twice the cheapest', facts({ offers: [aStanding({}, { usd: '20' })] })],
    [
      'one offer paused by its operator beside a live one',
      facts({ offers: [aStanding(), aStanding({ state: 'paused' })] }),
    ],
    ['a single call in the hour', facts({ traffic: { hour: { ...none, calls: 1 }, day: some, month: some } })],
  ])('not with %s', (_, given) => {
    expect(reasonsOf(given)).toEqual([])
  })

  it('is told once: what stops a node is not said again of its offers', () => {
    const down = aStanding({ state: 'pending', reason: 'It has not answered its probe calls yet.' })
    expect(reasonsOf(facts({ offers: [down] }, { state: 'suspended' }))).toHaveLength(1)
    expect(reasonsOf(facts({ offers: [down] }, { state: 'pending', provedAt: null }))).toHaveLength(1)
    const idle = { hour: none, day: none, month: none }
    expect(reasonsOf(facts({ offers: [down], traffic: idle }))).toHaveLength(1)
    const broken = aStanding({}, { breaker: 'open', breakerUntil: instant(NOW + 1) })
    expect(reasonsOf(facts({ offers: [broken] }, { ...link, linkUpAt: null }))).toHaveLength(1)
  })

  it('is all of it where several things are wrong', () => {
    const dearAndFull = aStanding({}, { usd: '30', inFlight: 4 })
    const waiting = aStanding({ state: 'pending', reason: 'Probe 1: It did not answer in time.' })
    expect(reasonsOf(facts({ offers: [dearAndFull, waiting] }, { state: 'probation' }))).toHaveLength(4)
  })
})

describe('what an operator should know besides', () => {
  it.each<[string, StatusFacts, string[]]>([
    [
      'a model that is deprecated',
      facts({ offers: [aStanding({ model: model({ state: 'deprecated', replacedBy: 'maker/new' }) })] }),
      ['maker/chat is deprecated', 'Use maker/new'],
    ],
    [
      'one that was withdrawn, though its offer is paused by that',
      facts({ offers: [aStanding({ state: 'paused', model: model({ state: 'withdrawn' }) })] }),
      ['maker/chat is withdrawn'],
    ],
    ['an older wire', facts({}, { wireVersion: 1 }), ['version 1', 'until version 3', 'update']],
    ['a frozen account', facts({ frozen: 'A chargeback.' }), ['frozen (A chargeback)', 'goes on earning']],
    [
      'that it is not asked where pinned nodes are wanted',
      facts({ offers: [aStanding({}, { assurance: 'declared' })] }),
      ['declared and not pinned', 'To do: nothing, or'],
    ],
    [
      'that nobody said whether prompts are kept',
      facts({ offers: [aStanding({}, { collectsData: true })] }),
      ['does not say whether prompts are kept', '"collectsData": false'],
    ],
    [
      'that it keeps prompts, as it says',
      facts({ offers: [aStanding({ collectsData: true }, { collectsData: true })] }),
      ['says that prompts are kept', 'To do: nothing'],
    ],
    [
      'one field that it does not honour',
      facts({ offers: [aStanding({}, { parameters: without('top_k') })] }),
      ['does not honour top_k, so calls that require it'],
    ],
    [
      'several of them',
      facts({ offers: [aStanding({}, { parameters: without('n', 'seed') })] }),
      ['does not honour seed, n, so calls that require them'],
    ],
    ['a program that names none', facts({ offers: [aStanding({}, { parameters: null })] }), ['update its program']],
    [
      'that nobody knows where it stands, where that is known of others',
      facts({ offers: [aStanding({ rivals: [aRival({ region: 'AS' })] }, { region: null })] }),
      ['not known on which continent', 'To do:'],
    ],
  ])('%s', (_, given, words) => {
    const notices = noticesOf(given)
    expect(notices).toHaveLength(1)
    for (const word of words) expect(notices[0]).toContain(word)
  })

  it.each<[string, StatusFacts]>([
    ['where nobody stands, nobody having said it', facts({ offers: [aStanding({}, { region: null })] })],
    [
      'fields of chats, of vectors that say theirs',
      facts({ offers: [aStanding({ model: model({ task: 'embeddings' }) }, { parameters: new Set(['dimensions']) })] }),
    ],
    [
      'fields of chats, of a graph',
      facts({ offers: [aStanding({ model: model({ task: 'tensors' }) }, { parameters: new Set() })] }),
    ],
    [
      'wishes, of what is not served now',
      facts({ offers: [aStanding({ state: 'paused' }, { assurance: 'declared', parameters: null })] }),
    ],
    ['wishes, while it serves nobody', facts({ offers: [aStanding({}, { parameters: null })] }, { state: 'draining' })],
  ])('is not %s', (_, given) => {
    expect(noticesOf(given)).toEqual([])
  })

  it('is not a deprecated model that its operator offers no more', () => {
    const old = aStanding({ state: 'paused', model: model({ state: 'deprecated' }) })
    expect(noticesOf(facts({ offers: [old] }))).toEqual([])
  })
})
