// Where two nodes' answers are joined: what repeats the delivered text is swallowed however it is cut, the first difference ends it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TextPiece } from '../../../../gateway/inference/text/choices.ts'
import { Delivered, DELIVERED_MAX } from '../../../../gateway/inference/resume/delivered.ts'
import type { How, Resumed } from '../../../../gateway/inference/resume/resume.ts'
import { isPeriodic, Seam, WAITING_MAX } from '../../../../gateway/inference/resume/seam.ts'
import type { TokenLogprob } from '../../../../protocol/openai.ts'

const aPiece = (text: string, choice = 0, logprobs: TokenLogprob[] | null = null, offset = 0): TextPiece => ({
  choice,
  text,
  logprobs,
  offset,
})
const chance = (token: string): TokenLogprob => ({ token, logprob: -1, bytes: null, top_logprobs: [] })
const resumed = (how: How, ...choices: (string | { text: string; logprobs: number })[]): Resumed => ({
  how,
  choices: choices.map((choice) => (typeof choice === 'string' ? { text: choice, logprobs: 0 } : choice)),
  tokens: 0,
  bytes: 0,
})
const DIFFERENT = expect.objectContaining({ code: 'provider_broke_off', fault: 'none' })
const end = (choice = 0, text = '') => ({ finishReason: 'stop' as const, rest: aPiece(text, choice) })

/** What the caller gets of these pieces, and what is swallowed of them. */
function through(seam: Seam, pieces: readonly string[]) {
  const passed = pieces.map((text) => seam.pass(aPiece(text)))
  const [last] = seam.ends([end()])
  return {
    added: [...passed.map(({ piece }) => piece?.text ?? ''), last?.rest.text ?? ''].join(''),
    swallowed: passed.map(({ swallowed }) => swallowed).join(''),
  }
}

describe('a node that begins anew', () => {
  it.each([
    [['one ', 'two ', 'three'], 'three'],
    [['one two three'], 'three'],
    [['o', 'ne', ' tw', 'o t', 'hree'], 'three'],
    [['one two '], ''],
  ])('says %j: only %j is new', (pieces, added) => {
    expect(through(new Seam(resumed('restart', 'one two ')), pieces)).toEqual({ added, swallowed: 'one two ' })
  })

  it.each([[['one TWO']], [['one ', 'twX']], [[' one two ']]])('ends at the first difference: %j', (pieces) => {
    expect(() => through(new Seam(resumed('restart', 'one two ')), pieces)).toThrow(DIFFERENT)
  })

  it('ends when it stops before it was where the other one broke off', () => {
    const seam = new Seam(resumed('restart', 'one two ', ''))
    seam.pass(aPiece('one two'))
    expect(() => seam.ends([end(0), end(1)])).toThrow(DIFFERENT)
  })

  it('is compared for each choice by itself, in any order', () => {
    const seam = new Seam(resumed('restart', 'a', '', 'ccc'))
    expect(seam.pass(aPiece('cc', 2))).toEqual({ swallowed: 'cc', piece: null })
    expect(seam.pass(aPiece('b', 1)).piece?.text).toBe('b')
    expect(seam.pass(aPiece('ab', 0))).toMatchObject({ swallowed: 'a', piece: { text: 'b' } })
    expect(seam.pass(aPiece('cd', 2))).toMatchObject({ swallowed: 'c', piece: { text: 'd' } })
    expect(() => new Seam(resumed('restart', 'a', 'b')).pass(aPiece('a', 1))).toThrow(DIFFERENT)
    expect(seam.continuedCharacters).toBe(0)
  })

  it('may be cut inside a character', () => {
    const [high, low] = ['😀'.slice(0, 1), '😀'.slice(1)]
    const seam = new Seam(resumed('restart', `a${high}`))
    expect(seam.pass(aPiece('a😀b'))).toMatchObject({ swallowed: `a${high}`, piece: { text: `${low}b` } })
  })

  it('tells every log probability once, also of tokens whose text was delivered without them', () => {
    const seam = new Seam(resumed('restart', { text: 'abc', logprobs: 2 }))
    expect(seam.pass(aPiece('a', 0, [chance('a')]))).toMatchObject({ piece: null })
    expect(seam.pass(aPiece('bc', 0, [chance('b'), chance('c')], 1))).toMatchObject({ piece: null })
    const { piece } = seam.pass(aPiece('d', 0, [chance('d')], 3))
    expect(piece).toMatchObject({ text: 'd', offset: 2 })
    expect(piece?.logprobs?.map(({ token }) => token)).toEqual(['c', 'd'])
    expect(seam.pass(aPiece('e', 0, [chance('e')], 4)).piece).toMatchObject({ offset: 4, logprobs: [chance('e')] })
  })

  it('keeps those that wait over text that has none, and for the end of an answer that says nothing new', () => {
    const seam = () => {
      const made = new Seam(resumed('restart', 'ab'))
      made.pass(aPiece('a', 0, [chance('a'), chance('')]))
      return made
    }
    const between = seam()
    expect(between.pass(aPiece('b', 0, null, 1)).piece).toBeNull()
    expect(between.pass(aPiece('c', 0, [chance('c')], 2)).piece).toMatchObject({
      offset: 1,
      logprobs: [chance('a'), chance(''), chance('c')],
    })
    const ended = seam()
    ended.pass(aPiece('b', 0, [chance('b')], 1))
    const [last] = ended.ends([{ finishReason: 'stop', rest: aPiece('', 0, null, 2) }])
    expect(last?.rest).toMatchObject({ text: '', offset: 0, logprobs: [chance('a'), chance(''), chance('b')] })
  })

  it.each<[string, number[]]>([
    ['at once', [WAITING_MAX]],
    ['one by one', Array<number>(WAITING_MAX).fill(1)],
    ['the last one alone', [WAITING_MAX - 1, 1]],
  ])('may let so many of them wait, %s, and not one more', (_, portions) => {
    const wait = (seam: Seam, count: number) => seam.pass(aPiece('', 0, Array<TokenLogprob>(count).fill(chance(''))))
    const seam = new Seam(resumed('restart', 'a'))
    for (const count of portions) expect(wait(seam, count)).toEqual({ swallowed: '', piece: null })
    expect(seam.pass(aPiece('ab', 0, [chance('ab')])).piece?.logprobs).toHaveLength(WAITING_MAX + 1)
    const full = new Seam(resumed('restart', 'a'))
    for (const count of portions) wait(full, count)
    const TOO_MANY = expect.objectContaining({ code: 'provider_failed', fault: 'node' })
    expect(() => wait(full, 1)).toThrow(TOO_MANY)
    // Those that were told with the delivered text wait for nothing.
    const told = new Seam(resumed('restart', { text: 'a', logprobs: 7 }))
    expect(wait(told, WAITING_MAX + 7).piece).toBeNull()
    expect(() => wait(told, 1)).toThrow(TOO_MANY)
  })

  it('never adds or loses a word, wherever both answers are cut', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40 }),
        fc.nat(40),
        fc.array(fc.nat(40), { maxLength: 8 }),
        (text, cut, cuts) => {
          const at = [0, ...cuts.map((n) => Math.min(n, text.length)).sort((a, b) => a - b), text.length]
          const pieces = at.slice(1).map((to, index) => text.slice(at[index], to))
          const { added, swallowed } = through(new Seam(resumed('restart', text.slice(0, cut))), pieces)
          expect([swallowed, added]).toEqual([text.slice(0, cut), text.slice(cut)])
        },
      ),
    )
  })
})

describe('a node that continues', () => {
  const DELIVERED = 'one two three '
  it.each<[string, string[], string, string]>([
    ['goes on', ['four ', 'five'], 'four five', ''],
    ['says all of it again', ['one two three ', 'four'], 'four', DELIVERED],
    ['says all of it again, in pieces', ['one ', 'two three f', 'our'], 'four', DELIVERED],
    ['begins in the same way, and means it', ['one ', 'two ', 'four'], 'one two four', ''],
    ['ends with a part of it, and means it', ['one ', 'two '], 'one two ', ''],
    ['says nothing more', [], '', ''],
  ])('%s', (_, pieces, added, swallowed) => {
    const seam = new Seam(resumed('continue', DELIVERED))
    expect(through(seam, pieces)).toEqual({ added, swallowed })
    expect(seam.continuedCharacters).toBe(swallowed === '' ? DELIVERED.length : 0)
  })

  it.each([
    ['la la la ', 'la la la la'],
    ['one', 'one'],
  ])('may say %j once more where the text is its own repetition, or short', (delivered, text) => {
    expect(through(new Seam(resumed('continue', delivered)), [text])).toEqual({ added: text, swallowed: '' })
  })

  it.each([
    ['la la la ', true],
    ['la la la', true],
    ['aa', true],
    ['abcab', false],
    ['one two ', false],
    ['a', false],
    ['', false],
  ])('%j repeats itself: %s', (text, is) => {
    expect(isPeriodic(text)).toBe(is)
  })
})

describe('what was delivered', () => {
  it('is remembered for each choice, up to a bound', () => {
    const delivered = new Delivered(2)
    delivered.add('a', 0, 1)
    delivered.add('b', 1, 0)
    delivered.add('c', 0, 2)
    expect(delivered.choices()).toEqual([
      { text: 'ac', logprobs: 3 },
      { text: 'b', logprobs: 0 },
    ])
    delivered.add('x'.repeat(DELIVERED_MAX - 3), 0, 0)
    expect(delivered.choices()?.[0]?.text).toHaveLength(DELIVERED_MAX - 1)
    delivered.add('x', 1, 0)
    expect(delivered.choices()).toBeNull()
  })
})
