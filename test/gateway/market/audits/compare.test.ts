import { describe, expect, it } from 'vitest'
import {
  COMPARE,
  cosine,
  likeness,
  sharedPart,
  type AuditAnswer,
  type Counts,
} from '../../../../gateway/market/audits/compare.ts'
import { judge, type Voice } from '../../../../gateway/market/audits/verdict.ts'
import { TOLERANCE } from '../../../../protocol/tensor-match.ts'
import type { AccountId } from '../../../../protocol/units.ts'

const LONG = 'the quick river walks under the quiet northern bridge again'
const text = (
  words: string,
  counts: Counts | null = { inputTokens: 40, outputTokens: 30 },
  finish: 'stop' | 'length' = 'stop',
): AuditAnswer => ({ kind: 'text', choices: [{ text: words, finish }], counts })
const vectors = (...values: number[][]): AuditAnswer => ({ kind: 'vectors', vectors: values, counts: null })
const tensors = (value: number): AuditAnswer => ({
  kind: 'tensors',
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: new Uint8Array(new Float32Array([value]).buffer) }],
})
const with20 = (shared: number) => `${'a'.repeat(shared)}${'b'.repeat(20 - shared)}`
const a20 = 'a'.repeat(20)

describe('two answers', () => {
  it.each<[string, AuditAnswer, AuditAnswer, string, boolean, number]>([
    ['of the same words', text(LONG), text(LONG), 'text', true, 1],
    ['of few words say little', text('Yes.'), text('Yes.'), 'text', true, 4 / COMPARE.tellingCharacters],
    ['that part at once', text(LONG), text('x'.repeat(LONG.length)), 'text', false, 1],
    ['that part in the middle', text(a20), text(with20(10)), 'text', false, 0.25],
    ['that part just too early', text(a20), text(with20(15)), 'text', false, 0.0625],
    ['that part late are alike', text(a20), text(with20(16)), 'text', true, (20 / COMPARE.tellingCharacters) * 0.8],
    ['of which one was cut by its length', text(LONG.slice(0, 9), null, 'length'), text(LONG), 'text', true, 9 / 32],
    [
      'of which one ended early by itself',
      text(LONG.slice(0, 9)),
      text(LONG),
      'text',
      false,
      (1 - 9 / LONG.length) ** 2,
    ],
    ['counted nearly alike', text(LONG), text(LONG, { inputTokens: 44, outputTokens: 33 }), 'text', true, 1],
    [
      'of which one counts five more in',
      text(LONG),
      text(LONG, { inputTokens: 45, outputTokens: 30 }),
      'usage',
      false,
      1,
    ],
    [
      'of which one counts five more out',
      text(LONG),
      text(LONG, { inputTokens: 40, outputTokens: 35 }),
      'usage',
      false,
      1,
    ],
    [
      'that part late count differently, and may',
      text(a20),
      text(with20(16), { inputTokens: 40, outputTokens: 60 }),
      'text',
      true,
      0.5,
    ],
    ['of which one does not count', text(LONG), text(LONG, null), 'text', true, 1],
    ['in vectors that differ by rounding', vectors([1, 2, 3]), vectors([1.0001, 2, 3]), 'vectors', true, 1],
    ['in vectors of another model', vectors([1, 2, 3]), vectors([3, 1, 2]), 'vectors', false, 1],
    ['in vectors of which one is missing', vectors([1, 2]), vectors([1, 2], [1, 2]), 'vectors', false, 1],
    ['in tensors within the tolerance', tensors(1), tensors(1.0009), 'tensors', true, 1],
    ['in tensors beyond it', tensors(1), tensors(1.002), 'tensors', false, 1],
    ['of different kinds', text(LONG), vectors([1]), 'text', false, 1],
  ])('%s', (_, a, b, what, isAlike, weight) => {
    for (const said of [likeness(a, b, TOLERANCE), likeness(b, a, TOLERANCE)]) {
      expect(said).toMatchObject({ what, isAlike })
      expect(said.weight).toBeCloseTo(weight, 10)
    }
  })

  it('share what both begin with', () => {
    const choice = (words: string, finish: 'stop' | 'length' = 'stop') => ({ text: words, finish })
    expect(sharedPart(choice('the cat'), choice('the dog'))).toBeCloseTo(4 / 7)
    expect(sharedPart(choice('the cat', 'length'), choice('the cat sat'))).toBe(1)
    expect(sharedPart(choice('the cat'), choice('the cat sat'))).toBeCloseTo(7 / 11)
    expect(sharedPart(choice(''), choice(''))).toBe(1)
  })

  it('point the same way, or not', () => {
    expect(cosine([1, 0], [0, 1])).toBe(0)
    expect(cosine([0, 0], [0, 0])).toBe(0)
    expect(cosine([1, 2], [1, 2, 3])).toBe(0)
    expect(cosine([1, 2], [2, 4])).toBeCloseTo(1)
  })
})

const RIGHT = text(LONG)
const WRONG = text('something else that nobody asked about at all, in other words')
const OTHER = text('a third thing entirely, which is not like any of the first two')
const by = (operator: string | null, answer: AuditAnswer): Voice => ({ operator: operator as AccountId | null, answer })

describe('who of several is right', () => {
  it.each<[string, Voice[], string[]]>([
    ['two who agree', [by('a', RIGHT), by('b', RIGHT)], ['right', 'right']],
    ['two who differ: nobody knows', [by('a', RIGHT), by('b', WRONG)], ['undecided', 'undecided']],
    ['two against one', [by('a', WRONG), by('b', RIGHT), by('c', RIGHT)], ['wrong', 'right', 'right']],
    ['three who all differ', [by('a', RIGHT), by('b', WRONG), by('c', OTHER)], ['undecided', 'undecided', 'undecided']],
    [
      'two of one operator, who are one voice',
      [by('a', WRONG), by('a', WRONG), by('b', RIGHT)],
      ['undecided', 'undecided', 'undecided'],
    ],
    [
      'two against two',
      [by('a', RIGHT), by('b', RIGHT), by('c', WRONG), by('d', WRONG)],
      Array(4).fill('undecided') as string[],
    ],
    ['one against what was agreed before: nobody knows', [by('a', WRONG), by(null, RIGHT)], ['undecided', 'undecided']],
    [
      'one against what was agreed before and who says it now',
      [by('a', WRONG), by('b', RIGHT), by(null, RIGHT)],
      ['wrong', 'right', 'right'],
    ],
    ['one who says what was agreed before', [by('a', RIGHT), by(null, RIGHT)], ['right', 'right']],
    [
      'a pair, and one beside each other',
      [by('a', RIGHT), by('b', WRONG), by('c', RIGHT), by('d', OTHER)],
      ['right', 'wrong', 'right', 'wrong'],
    ],
    ['one alone', [by('a', RIGHT)], ['undecided']],
  ])('%s', (_, voices, outcomes) => {
    const expected = voices.map(({ operator }, i) => (operator === null ? expect.anything() : outcomes[i]))
    expect(judge(voices, TOLERANCE).map(({ outcome }) => outcome)).toEqual(expected)
  })

  it('finds a padded count wrong by the two who count alike', () => {
    const padded = text(LONG, { inputTokens: 40, outputTokens: 60 })
    const judged = judge([by('a', padded), by('b', RIGHT), by('c', RIGHT)], TOLERANCE)
    expect(judged[0]).toMatchObject({ outcome: 'wrong', likeness: { what: 'usage' } })
  })

  it('measures who is wrong by whom it comes nearest to', () => {
    const half = text(`${LONG.slice(0, 30)}${'x'.repeat(LONG.length - 30)}`)
    const judged = judge([by('a', half), by('b', RIGHT), by('c', RIGHT)], TOLERANCE)
    const [first] = judged
    expect(first?.outcome === 'wrong' && first.likeness.weight).toBeCloseTo((1 - 30 / LONG.length) ** 2)
  })
})
