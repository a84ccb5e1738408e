// Where each choice stands, whatever order its node tells it in: each thing that cannot be is refused, and nothing that can is.
import { describe, expect, it } from 'vitest'
import { Choices, type TextAsked } from '../../../../gateway/inference/text/choices.ts'
import { LIMITS } from '../../../../gateway/core/limits.ts'
import { charactersOf, offsetsOf, tokenName } from '../../../../gateway/inference/text/token-characters.ts'
import type { FinishReason, TokenLogprob } from '../../../../protocol/openai.ts'

const bytesOf = (text: string) => [...new TextEncoder().encode(text)]
const aToken = (token: string, alternatives: string[] = [], bytes: number[] | null = bytesOf(token)): TokenLogprob => ({
  token,
  logprob: -0.5,
  bytes,
  top_logprobs: alternatives.map((other, index) => ({ token: other, logprob: -1 - index, bytes: bytesOf(other) })),
})
const said = (
  index: number,
  content: string | null,
  finish_reason: FinishReason | null = null,
  logprobs?: TokenLogprob[],
) => ({ index, delta: { content }, finish_reason, logprobs })
const of = (over: Partial<TextAsked> = {}, tokensMax = 10) =>
  new Choices({ choices: 2, logprobs: null, ...over }, tokensMax)
const NODE_FAULT = expect.objectContaining({ code: 'provider_failed', fault: 'node' })

describe('choices in any order', () => {
  it('are told apart, and end each for itself', () => {
    const choices = of()
    expect(choices.take(said(1, 'b'))).toMatchObject({ choice: 1, text: 'b', logprobs: null })
    expect(choices.take(said(0, 'a'))).toMatchObject({ choice: 0, text: 'a' })
    expect(choices.take(said(1, null, 'length'))).toBeNull()
    expect(choices.take(said(0, 'c', 'stop'))).toMatchObject({ choice: 0, text: 'c' })
    expect(choices.ends().map(({ finishReason }) => finishReason)).toEqual(['stop', 'length'])
  })

  it('are not whole while one of them has no end', () => {
    const choices = of()
    choices.take(said(0, 'a', 'stop'))
    choices.take(said(1, 'b'))
    expect(() => choices.ends()).toThrow(expect.objectContaining({ code: 'provider_broke_off', fault: 'node' }))
    choices.take(said(1, '', 'stop'))
    expect(choices.ends()).toHaveLength(2)
  })

  it('end as `length` where they are cut, except those that had ended', () => {
    const choices = of()
    choices.take(said(1, 'b', 'stop'))
    // Of the other nothing came: whoever counts beyond the order before it began has not answered.
    expect(() => choices.cut()).toThrow(expect.objectContaining({ code: 'provider_broke_off', fault: 'node' }))
    choices.take(said(0, 'a'))
    expect(choices.cut().map(({ finishReason }) => finishReason)).toEqual(['length', 'stop'])
  })

  it('may end twice without a word, as some servers do, and keep their first end', () => {
    const choices = of({ choices: 1 })
    choices.take(said(0, 'a', 'length'))
    choices.take(said(0, null, 'stop'))
    expect(choices.ends()[0]?.finishReason).toBe('length')
  })
})

describe('log probabilities that wait for their text', () => {
  const { collectedChances, nodeAnswerBytes } = LIMITS
  const many = (count: number, token = 'x') => Array.from({ length: count }, () => aToken(token, ['y', 'z', 'w']))
  it('are so many at most, those of all choices together, and fewer again once text came', () => {
    const choices = of({ choices: 2, logprobs: 3 }, 1e6)
    choices.take(said(0, '', null, many(collectedChances / 8)))
    choices.take(said(1, '', null, many(collectedChances / 8)))
    expect(() => of({ choices: 1, logprobs: 3 }, 1e6).take(said(0, '', null, many(collectedChances / 4 + 1)))).toThrow(
      NODE_FAULT,
    )
    choices.take(said(0, 'text'))
    choices.take(said(0, '', null, many(collectedChances / 8)))
    expect(() => choices.take(said(1, '', null, many(1)))).toThrow(NODE_FAULT)
  })

  it('are so many bytes at most', () => {
    const choices = of({ choices: 1, logprobs: 0 }, 1e6)
    choices.take(said(0, '', null, [aToken('x'.repeat(nodeAnswerBytes), [], null)]))
    expect(() => choices.take(said(0, '', null, [aToken('x')]))).toThrow(NODE_FAULT)
  })
})

describe('the fault of the node is', () => {
  it.each([
    [0, true],
    [1, true],
    [2, false],
    [127, false],
  ])('a choice that nobody asked for: of two, number %s is right: %s', (index, isRight) => {
    const take = () => of().take(said(index, 'x'))
    if (isRight) expect(take()).not.toBeNull()
    else expect(take).toThrow(NODE_FAULT)
  })

  it.each([
    ['text', said(0, 'more')],
    ['log probabilities', said(0, null, null, [aToken('more')])],
    ['text that comes with another end', said(0, 'more', 'stop')],
  ])('%s behind the end of a choice', (_, event) => {
    const choices = of({ logprobs: 0 })
    choices.take(said(0, 'a', 'stop', [aToken('a')]))
    expect(() => choices.take(event)).toThrow(NODE_FAULT)
    expect(choices.take(said(1, 'still', null, [aToken('still')]))).not.toBeNull()
  })

  it('log probabilities of more tokens than were ordered of a choice', () => {
    const choices = of({ logprobs: 0 }, 2)
    choices.take(said(0, 'ab', null, [aToken('a'), aToken('b')]))
    choices.take(said(1, 'cd', null, [aToken('c'), aToken('d')]))
    expect(() => choices.take(said(0, 'e', null, [aToken('e')]))).toThrow(NODE_FAULT)
  })

  it('text without any log probabilities, which were asked for', () => {
    const choices = of({ logprobs: 0 })
    expect(choices.take(said(0, 'a'))).not.toBeNull()
    expect(() => choices.take(said(0, null, 'stop'))).toThrow(NODE_FAULT)
    // A choice without text has none to give.
    expect(choices.take(said(1, null, 'stop'))).toBeNull()
  })
})

describe('log probabilities', () => {
  it('that nobody asked for are not passed on', () => {
    expect(of().take(said(0, 'a', null, [aToken('a')]))?.logprobs).toBeNull()
  })

  it.each([
    [0, []],
    [1, ['x']],
    [2, ['x', 'y']],
    [5, ['x', 'y', 'z']],
  ])('name at most the %s alternatives that were asked for', (logprobs, named) => {
    const piece = of({ logprobs }).take(said(0, 'a', null, [aToken('a', ['x', 'y', 'z'])]))
    expect(piece?.logprobs?.[0]?.top_logprobs.map(({ token }) => token)).toEqual(named)
  })

  it('wait for their text, so that nothing reaches a caller before it', () => {
    const choices = of({ logprobs: 0 })
    expect(choices.take(said(0, null, null, [aToken('a')]))).toBeNull()
    const piece = choices.take(said(0, 'ab', 'stop', [aToken('b')]))
    expect(piece?.logprobs?.map(({ token }) => token)).toEqual(['a', 'b'])
  })

  it('of tokens that never became text stand with the end', () => {
    const choices = of({ choices: 1, logprobs: 0 })
    choices.take(said(0, 'a', null, [aToken('a')]))
    choices.take(said(0, null, 'stop', [aToken('END')]))
    expect(choices.ends()[0]?.rest).toMatchObject({ text: '', logprobs: [{ token: 'END' }], offset: 1 })
  })

  it('say where their token begins, each choice for itself', () => {
    const choices = of({ logprobs: 0 })
    const offsets = [
      said(0, 'né', null, [aToken('n'), aToken('é')]),
      said(1, 'x', null, [aToken('x')]),
      said(0, '😀', null, [aToken('😀')]),
      said(0, '!', null, [aToken('!')]),
    ].map((event) => choices.take(event)?.offset)
    expect(offsets).toEqual([0, 0, 2, 3])
  })
})

describe('the characters of tokens', () => {
  const half = [0xe2, 0x9c]
  const rest = [0x93]
  it.each<[string, TokenLogprob[], number[], number]>([
    ['ASCII', [aToken('ab'), aToken('c')], [0, 2], 3],
    ['characters of two and four bytes', [aToken('é'), aToken('😀'), aToken('x')], [0, 1, 2], 3],
    [
      'one character in two tokens',
      [aToken('\ufffd', [], half), aToken('\ufffd', [], rest), aToken('x')],
      [0, 1, 1],
      2,
    ],
    ['a token without bytes', [aToken('é😀', [], null), aToken('x')], [0, 2], 3],
    ['an empty token', [aToken(''), aToken('x')], [0, 0], 1],
  ])('of %s begin where they do', (_, tokens, offsets, all) => {
    expect(offsetsOf(tokens, 0)).toEqual(offsets)
    expect(offsetsOf(tokens, 5)).toEqual(offsets.map((offset) => offset + 5))
    expect(charactersOf(tokens)).toBe(all)
  })

  it.each<[string, string, number[] | null]>([
    ['a', 'a', bytesOf('a')],
    ['bytes:\\xe2\\x9c', '\ufffd', half],
    ['bytes:\\x0a\\xff', '\n\ufffd', [0x0a, 0xff]],
    ['\ufffd', '\ufffd', bytesOf('\ufffd')],
    ['\ufffd', '\ufffd', null],
  ])('are named %j', (name, token, bytes) => expect(tokenName(aToken(token, [], bytes))).toBe(name))
})
