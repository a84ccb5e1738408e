import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AttemptFailure, timedOut } from '../../../../gateway/inference/attempts/failure.ts'
import {
  hasAnother,
  nextAttempt,
  NEXT_ATTEMPT,
  type Failed,
  type NextInput,
} from '../../../../gateway/inference/attempts/next-attempt.ts'
import type { Candidate } from '../../../../gateway/inference/order/order.ts'
import type { ErrorCode } from '../../../../protocol/errors.ts'
import { tokens, type NodeId } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

const nodeId = (n: number) => `node_000000000000000${n}` as NodeId
/** @example aCandidate('a', 1, 512) */
const aCandidate = (model: string, node: number, contextTokens = 512): Candidate => ({
  model: aModel({ id: `test/${model}` }),
  offer: anOffer({ nodeId: nodeId(node), contextTokens }),
  most: { inputTokens: tokens(10), outputTokens: tokens(10) },
  longestTokens: 20n,
})

const failures = {
  broken: new AttemptFailure('provider_failed', 'node'),
  silent: timedOut('first output'),
  busy: new AttemptFailure('provider_busy', 'none'),
  soon: new AttemptFailure('provider_busy', 'none', { retryAfterMs: 1_000 }),
  sooner: new AttemptFailure('provider_busy', 'none', { retryAfterMs: 500 }),
  last: new AttemptFailure('provider_busy', 'none', { retryAfterMs: NEXT_ATTEMPT.waitMostMs }),
  late: new AttemptFailure('provider_busy', 'none', { retryAfterMs: NEXT_ATTEMPT.waitMostMs + 1 }),
  brokenSoon: new AttemptFailure('provider_failed', 'node', { retryAfterMs: 1_000 }),
  away: new AttemptFailure('no_provider', 'none'),
  wrong: new AttemptFailure('provider_failed', 'none', { said: 'bad_request' }),
  unable: new AttemptFailure('unsupported_parameter', 'none'),
  tooLong: new AttemptFailure('context_length_exceeded', 'caller'),
  filtered: new AttemptFailure('content_filter', 'caller'),
  expired: new AttemptFailure('call_expired', 'gateway'),
}
type Kind = keyof typeof failures
const kinds = Object.keys(failures) as Kind[]

const next = (candidates: Candidate[], failed: [number, Kind][], over: Partial<NextInput> = {}) =>
  nextAttempt({
    candidates,
    failed: failed.map(([position, kind]) => ({ position, failure: failures[kind] })),
    mayResume: null,
    mayRetry: true,
    random: 0,
    ...over,
  })
const ask = (position: number, waitMs = 0) => ({ do: 'ask', position, waitMs })
const stop = { do: 'stop' }

const three = [aCandidate('a', 1), aCandidate('a', 2), aCandidate('a', 3)]
/** of one model two nodes, then a larger one of the first node, and another of a third */
const mixed = [aCandidate('a', 1), aCandidate('a', 2), aCandidate('b', 1, 1_024), aCandidate('c', 3)]

describe('who is asked next', () => {
  it.each<[string, [number, Kind][], object]>([
    ['a node that failed', [[0, 'broken']], ask(1)],
    ['a silent one', [[0, 'silent']], ask(1)],
    ['a busy one', [[0, 'busy']], ask(1)],
    ['one that asks for a moment, while somebody else is there', [[0, 'soon']], ask(1)],
    ['one that is away', [[0, 'away']], ask(1)],
    ['one that cannot honour a parameter', [[0, 'unable']], ask(1)],
    [
      'two',
      [
        [0, 'broken'],
        [1, 'busy'],
      ],
      ask(2),
    ],
    [
      'all',
      [
        [0, 'broken'],
        [1, 'busy'],
        [2, 'silent'],
      ],
      stop,
    ],
    ['one that called the request wrong', [[0, 'wrong']], ask(1)],
    [
      'two that called it wrong',
      [
        [0, 'wrong'],
        [1, 'wrong'],
      ],
      stop,
    ],
    [
      'one that called it wrong, after a broken one',
      [
        [0, 'broken'],
        [1, 'wrong'],
      ],
      ask(2),
    ],
    ['one that called it too long', [[0, 'tooLong']], stop],
    ['one whose filter refused it', [[0, 'filtered']], stop],
    ['a hold that is gone', [[0, 'expired']], stop],
  ])('of three of one model, after %s', (_, failed, expected) => {
    expect(next(three, failed)).toEqual(expected)
  })

  it.each<[string, [number, Kind][], object]>([
    ['another node of the model asked for comes first', [[0, 'broken']], ask(1)],
    [
      'then another model, but not by a node that failed by itself',
      [
        [0, 'broken'],
        [1, 'broken'],
      ],
      ask(3),
    ],
    ['what is too long goes to the larger one, also of the same node', [[0, 'tooLong']], ask(2)],
    [
      'and never to one that takes no more',
      [
        [0, 'tooLong'],
        [2, 'tooLong'],
      ],
      stop,
    ],
    ['what a filter refused goes to another model', [[0, 'filtered']], ask(2)],
    [
      'what two called wrong too',
      [
        [0, 'wrong'],
        [1, 'wrong'],
      ],
      ask(2),
    ],
  ])('with fallback models: %s', (_, failed, expected) => expect(next(mixed, failed)).toEqual(expected))

  it('an offer of the same model with a larger context may take what was too long', () => {
    const offers = [aCandidate('a', 1, 512), aCandidate('a', 2, 512), aCandidate('a', 3, 513)]
    expect(next(offers, [[0, 'tooLong']])).toEqual(ask(2))
  })
  it('nobody, when this gateway has repeated too much', () => {
    expect(next(three, [[0, 'broken']], { mayRetry: false })).toEqual(stop)
  })
  it('only who can go on, once a part has reached the caller', () => {
    const mayResume = ({ offer }: Candidate) => offer.nodeId === nodeId(3)
    expect(next(three, [[0, 'broken']], { mayResume })).toEqual(ask(2))
    expect(
      next(
        three,
        [
          [0, 'broken'],
          [2, 'broken'],
        ],
        { mayResume },
      ),
    ).toEqual(stop)
  })
})

describe('a node that says when to come back is asked once more when nobody else is left', () => {
  const two = three.slice(0, 2)
  it.each<[string, [number, Kind][], object]>([
    [
      'after as long as it said',
      [
        [0, 'broken'],
        [1, 'soon'],
      ],
      ask(1, 1_000),
    ],
    [
      'also when it was not the last',
      [
        [0, 'soon'],
        [1, 'broken'],
      ],
      ask(0, 1_000),
    ],
    [
      'the one that is free first',
      [
        [0, 'soon'],
        [1, 'sooner'],
      ],
      ask(1, 500),
    ],
    [
      'the first of two alike',
      [
        [0, 'soon'],
        [1, 'soon'],
      ],
      ask(0, 1_000),
    ],
    [
      'after the longest wait there is',
      [
        [0, 'broken'],
        [1, 'last'],
      ],
      ask(1, 2_000),
    ],
    [
      'but not after a longer one',
      [
        [0, 'broken'],
        [1, 'late'],
      ],
      stop,
    ],
    [
      'nor without a word of when',
      [
        [0, 'broken'],
        [1, 'busy'],
      ],
      stop,
    ],
    [
      'also when it said so with a failure',
      [
        [0, 'busy'],
        [1, 'brokenSoon'],
      ],
      ask(1, 1_000),
    ],
    [
      'and only once',
      [
        [0, 'broken'],
        [1, 'soon'],
        [1, 'soon'],
      ],
      stop,
    ],
    [
      'in all',
      [
        [0, 'soon'],
        [1, 'soon'],
        [0, 'broken'],
      ],
      stop,
    ],
    [
      'and not what was refused as too long',
      [
        [0, 'soon'],
        [1, 'tooLong'],
      ],
      stop,
    ],
  ])('%s', (_, failed, expected) => expect(next(two, failed)).toEqual(expected))

  it('each a little later than it said, so that not all come at the same moment', () => {
    const waits = [0, 0.5, 0.999].map((random) =>
      next(
        two,
        [
          [0, 'broken'],
          [1, 'soon'],
        ],
        { random },
      ),
    )
    expect(waits).toEqual([ask(1, 1_000), ask(1, 1_125), ask(1, 1_249)])
  })
})

describe('whether somebody else could be asked', () => {
  const input = (candidates: Candidate[], failed: [number, Kind][] = [], mayRetry = true) => ({
    candidates,
    failed: failed.map(([position, kind]) => ({ position, failure: failures[kind] })),
    mayResume: null,
    mayRetry,
  })
  it.each<[string, boolean, Parameters<typeof input>, number]>([
    ['the first of three has two behind it', true, [three], 0],
    [
      'the last has nobody',
      false,
      [
        three,
        [
          [0, 'broken'],
          [1, 'broken'],
        ],
      ],
      2,
    ],
    ['the only one has nobody', false, [three.slice(0, 1)], 0],
    ['one that shares its node with all the others has nobody', false, [[aCandidate('a', 1), aCandidate('b', 1)]], 0],
    ['a busy one behind it that comes back soon counts', true, [three.slice(0, 2), [[0, 'soon']]], 1],
    ['nobody counts when this gateway has repeated too much', false, [three, [], false], 0],
  ])('%s', (_, expected, given, position) => expect(hasAnother(input(...given), position)).toBe(expected))
})

describe('laws, whatever fails in whatever way', () => {
  const aPlace = fc.record({
    model: fc.constantFrom('a', 'b', 'c'),
    node: fc.integer({ min: 1, max: 5 }),
    context: fc.constantFrom(256, 512, 1_024),
  })
  const aStory = fc.record({
    candidates: fc
      .uniqueArray(aPlace, { selector: ({ model, node }) => `${model}${node}`, minLength: 1, maxLength: 6 })
      .map((places) => places.map(({ model, node, context }) => aCandidate(model, node, context))),
    kinds: fc.array(fc.constantFrom(...kinds), { minLength: 8, maxLength: 8 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  })
  /** Plays a call whose every attempt fails. @returns how each came to be asked */
  const play = (candidates: Candidate[], failing: Kind[], random: number) => {
    const failed: Failed[] = []
    const asked: { position: number; waitMs: number }[] = [{ position: 0, waitMs: 0 }]
    for (const kind of failing) {
      failed.push({ position: asked.at(-1)?.position ?? 0, failure: failures[kind] })
      const turn = nextAttempt({ candidates, failed, mayResume: null, mayRetry: true, random })
      if (turn.do === 'stop') return { failed, asked, hasStopped: true }
      asked.push(turn)
    }
    return { failed, asked, hasStopped: false }
  }
  const check = (law: (played: ReturnType<typeof play>, candidates: Candidate[]) => void) =>
    fc.assert(
      fc.property(aStory, ({ candidates, kinds: failing, random }) =>
        law(play(candidates, failing, random), candidates),
      ),
      { numRuns: 400 },
    )

  it('a call ends after one attempt for each candidate, and one more', () =>
    check(({ asked, hasStopped }, candidates) => {
      expect(hasStopped).toBe(true)
      expect(asked.length).toBeLessThanOrEqual(candidates.length + 1)
    }))
  it('none is asked twice but the one that said when to come back, and it not before', () =>
    check(({ failed, asked }) => {
      asked.forEach(({ position, waitMs }, turn) => {
        const before = failed.slice(0, turn).filter((each) => each.position === position)
        if (before.length === 0) return expect(waitMs).toBe(0)
        expect(before).toHaveLength(1)
        expect(waitMs).toBeGreaterThanOrEqual(before[0]?.failure.retryAfterMs ?? Number.POSITIVE_INFINITY)
        expect(waitMs).toBeLessThan(NEXT_ATTEMPT.waitMostMs + NEXT_ATTEMPT.jitterMs)
      })
    }))
  it('a caller waits once at most', () =>
    check(({ asked }) => void expect(asked.filter(({ waitMs }) => waitMs > 0).length).toBeLessThanOrEqual(1)))
  it('a node that failed by itself is asked under no other model', () =>
    check(({ failed, asked }, candidates) => {
      const spent = (turn: number) =>
        failed.slice(0, turn).flatMap(({ position, failure }) => (failure.isOfModel ? [] : [candidates[position]]))
      asked.forEach(({ position, waitMs }, turn) => {
        if (turn === 0 || waitMs > 0) return
        expect(spent(turn).map((each) => each?.offer.nodeId)).not.toContain(candidates[position]?.offer.nodeId)
      })
    }))
  it('what a model refused, or a context could not take, is not asked of the like again', () => {
    const refusing: readonly ErrorCode[] = ['content_filter', 'context_length_exceeded']
    check(({ failed, asked }, candidates) =>
      asked.forEach(({ position }, turn) => {
        for (const each of failed.slice(0, turn).filter(({ failure }) => refusing.includes(failure.code))) {
          const [refused, candidate] = [candidates[each.position], candidates[position]]
          if (each.failure.code === 'content_filter') expect(candidate?.model.id).not.toBe(refused?.model.id)
          else expect(candidate?.offer.contextTokens).toBeGreaterThan(refused?.offer.contextTokens ?? 0)
        }
      }),
    )
  })
})
