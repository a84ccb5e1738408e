// Who may go on with a part of an answer, and how: one table, each row one reason.
import { describe, expect, it } from 'vitest'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import type { Candidate } from '../../../../gateway/inference/order/order.ts'
import {
  orderedOf,
  waysToResume,
  type How,
  type ResumeInput,
  type TextTraits,
} from '../../../../gateway/inference/resume/resume.ts'
import type { Parameter } from '../../../../protocol/routing.ts'
import { tokens } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

const SEEDED: Partial<Offer> = { parameters: new Set<Parameter>(['seed']) }
const most = { inputTokens: tokens(20), outputTokens: tokens(10) }
const aCandidate = (over: Partial<Offer> = {}, id = 'test/echo'): Candidate => ({
  model: aModel({ id }),
  offer: anOffer(over),
  most,
  longestTokens: 30n,
})
const DRAWN: TextTraits = { choices: 1, hasLogprobs: false, isJson: false, isGreedy: false, hasSeed: false }

const input = (over: Partial<ResumeInput> = {}): ResumeInput => ({
  traits: DRAWN,
  choices: [{ text: 'one ', logprobs: 0 }],
  tokens: 1,
  deliverers: [{ candidate: aCandidate(SEEDED), how: null }],
  candidate: aCandidate({ ...SEEDED, continues: true }),
  ...over,
})
const greedy = { ...DRAWN, isGreedy: true }
const plain = { candidate: aCandidate() }

describe('who goes on', () => {
  it.each<[string, Partial<ResumeInput>, How[]]>([
    ['one that continues and repeats', {}, ['continue', 'restart']],
    ['another model', { candidate: aCandidate({ continues: true }, 'test/other') }, []],
    ['a text too long to be remembered', { choices: null }, []],
    ['one that does not continue, of a drawn answer', plain, []],
    ['one that does not continue, of a greedy answer', { ...plain, traits: greedy }, ['restart']],
    [
      'one that repeats by the seed, after one that does not',
      { deliverers: [{ candidate: aCandidate(), how: null }] },
      ['continue'],
    ],
    [
      'one that repeats by the seed, after one that continued',
      { deliverers: [{ candidate: aCandidate(SEEDED), how: 'continue' }] },
      ['continue'],
    ],
    [
      'one that repeats by the seed, after one that began anew',
      { deliverers: [{ candidate: aCandidate(SEEDED), how: 'restart' }], candidate: aCandidate(SEEDED) },
      ['restart'],
    ],
    ['one of a seed it is not known to honour', { candidate: aCandidate() }, []],
    ['log probabilities', { traits: { ...greedy, hasLogprobs: true } }, ['restart']],
    [
      'several choices',
      {
        traits: { ...greedy, choices: 2 },
        choices: [
          { text: 'a', logprobs: 0 },
          { text: '', logprobs: 0 },
        ],
      },
      ['restart'],
    ],
    [
      'JSON, by our own engine',
      { traits: { ...DRAWN, isJson: true }, candidate: aCandidate({ continues: true, assurance: 'pinned' }) },
      ['continue'],
    ],
    [
      'JSON, by a server behind a node',
      { traits: { ...DRAWN, isJson: true }, candidate: aCandidate({ continues: true, assurance: 'declared' }) },
      [],
    ],
    ['half a character', { choices: [{ text: 'a\ud83d', logprobs: 0 }] }, ['restart']],
    ['one token left', { tokens: 9 }, ['continue', 'restart']],
    ['no token left', { tokens: 10 }, ['restart']],
  ])('%s', (_, over, ways) => {
    expect(waysToResume(input(over))).toEqual(ways)
  })
})

describe('a ticket', () => {
  const at = { choices: [], tokens: 4, bytes: 12 }
  it('for the rest orders the rest, and what is read with it', () => {
    const ordered = orderedOf(aCandidate(), { ...at, how: 'continue' })
    expect(ordered.most).toEqual({ inputTokens: 32n, outputTokens: 6n })
  })

  it('for the whole orders the whole', () => {
    expect(orderedOf(aCandidate(), { ...at, how: 'restart' }).most).toEqual(most)
    expect(orderedOf(aCandidate(), null).most).toEqual(most)
  })
})
