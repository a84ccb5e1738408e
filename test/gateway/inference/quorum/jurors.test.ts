import { describe, expect, it } from 'vitest'
import { benchOf, depthFor, jurorsOf, wishesOfBench, type Bench } from '../../../../gateway/inference/quorum/jurors.ts'
import type { Candidate } from '../../../../gateway/inference/order/order.ts'
import { NO_WISHES } from '../../../../gateway/market/choose/wishes.ts'
import type { AccountId, NodeId } from '../../../../protocol/units.ts'
import { tokens } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

/** `a1`: the first node of operator a; `!` behind it: it honours seeds. */
function candidate(word: string, model = 'test/echo'): Candidate {
  const parameters = word.endsWith('!') ? new Set(['seed'] as const) : null
  const offer = anOffer({
    nodeId: word.replace('!', '') as NodeId,
    operatorAccountId: word.charAt(0) as AccountId,
    parameters,
  })
  return {
    model: aModel({ id: model }),
    offer,
    most: { inputTokens: tokens(1), outputTokens: tokens(1) },
    longestTokens: 2n,
  }
}
const ranked = (...words: string[]) => words.map((word) => candidate(word))
const bench = (n: number, spare = 0, named: Bench['named'] = null): Bench => ({ n, agree: n, spare, named })
const seated = (ranked: Candidate[], bench: Bench, isDrawn = false) => {
  const found = jurorsOf(ranked, bench, isDrawn)
  return found.ok ? found.candidates.map(({ offer }) => offer.nodeId) : found.fitting
}

describe('those who are asked together', () => {
  it.each<[string, string[], number, number, string[] | number]>([
    ['are the first of the ranking', ['a1', 'b1', 'c1'], 2, 0, ['a1', 'b1']],
    ['have others behind them', ['a1', 'b1', 'c1', 'd1'], 2, 1, ['a1', 'b1', 'c1']],
    ['are of different operators', ['a1', 'a2', 'b1', 'c1'], 3, 0, ['a1', 'b1', 'c1']],
    ['are of one operator when there is no other', ['a1', 'a2'], 2, 0, ['a1', 'a2']],
    [
      'are of one operator only as far as the others do not suffice',
      ['a1', 'a2', 'a3', 'b1'],
      3,
      0,
      ['a1', 'b1', 'a2'],
    ],
    ['are not fewer than asked for', ['a1', 'b1'], 3, 2, 2],
    ['are nobody where nobody is', [], 2, 2, 0],
  ])('%s', (_, words, n, spare, expected) => {
    expect(seated(ranked(...words), bench(n, spare))).toEqual(expected)
  })

  it('honour seeds before others, where only its seed repeats an answer, and different operators come before that', () => {
    const words = ranked('a1', 'b1', 'b2!', 'a2!', 'a3!')
    expect(seated(words, bench(2, 1), true)).toEqual(['b2', 'a2', 'a3'])
    expect(seated(words, bench(2, 1), false)).toEqual(['a1', 'b1', 'b2'])
  })

  it('are all of one model: the first that has enough', () => {
    const small = [candidate('a1', 'test/one')]
    const large = [candidate('b1', 'test/two'), candidate('c1', 'test/two')]
    expect(seated([...small, ...large], bench(2))).toEqual(['b1', 'c1'])
    expect(seated([...small, ...large], bench(3))).toBe(1)
  })

  it('are none but those who were named, by node or by operator', () => {
    const words = ranked('a1', 'b1', 'b2', 'c1')
    expect(seated(words, bench(2, 0, new Set(['c1', 'b'])))).toEqual(['b1', 'c1'])
    expect(seated(words, bench(2, 0, new Set(['c1'])))).toBe(1)
  })
})

it('as many are ranked as the nodes of all other operators can be', () => {
  expect(depthFor({ n: 3 })).toBe(150)
})

describe('a bench', () => {
  const quorum = { n: 3 }
  it.each<[string, Parameters<typeof benchOf>[0], Bench | null]>([
    ['is none without a quorum', { allow_fallbacks: false }, null],
    ['is none without preferences', null, null],
    ['has three more who may be asked', { quorum }, { n: 3, agree: 2, spare: 3, named: null }],
    [
      'has nobody more without fallbacks',
      { quorum, allow_fallbacks: false },
      { n: 3, agree: 2, spare: 0, named: null },
    ],
    [
      'has nobody beside those of `order` without fallbacks',
      { quorum, allow_fallbacks: false, order: ['a', 'b'] },
      { n: 3, agree: 2, spare: 0, named: new Set(['a', 'b']) },
    ],
    [
      'has others behind those of `order` with them',
      { quorum: { n: 3, agree: 3 }, order: ['a', 'b'] },
      { n: 3, agree: 3, spare: 3, named: null },
    ],
  ])('%s', (_, preferences, expected) => expect(benchOf(preferences)).toEqual(expected))

  it('is ranked with fallbacks, whatever the caller said: several are needed', () => {
    expect(wishesOfBench({ ...NO_WISHES, mayFallBack: false })).toEqual(NO_WISHES)
  })
})
