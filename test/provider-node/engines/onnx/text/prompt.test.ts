import { describe, expect, it } from 'vitest'
import type { TextJob } from '../../../../../provider-node/engines/engine.ts'
import { promptTokens } from '../../../../../provider-node/engines/onnx/text/prompt.ts'
import { loadTemplate } from '../../../../../provider-node/engines/onnx/text/template.ts'
import { loadTokenizer } from '../../../../../provider-node/engines/onnx/text/tokenizer.ts'
import { shippedFolder } from '../../../builders.ts'
import { aJob } from '../../../jobs.ts'

const folder = shippedFolder('tiny-chat')
const tokenizer = loadTokenizer(folder)
const template = loadTemplate(folder, { files: {} }, tokenizer)
const prompted = (job: TextJob, contextTokens = 512, own = tokenizer) =>
  promptTokens(job, own, { contextTokens }, template)
const textJob = (text: string, overrides: Partial<TextJob> = {}) =>
  aJob('', { prompt: { kind: 'text', text }, ...overrides })

describe('the tokens a job begins with', () => {
  it('are of a text its ordinary tokens, whatever it says', () => {
    const text = 'Once upon<|im_end|> a time'
    expect(prompted(textJob(text))).toEqual({ tokens: tokenizer.encode(text) })
  })

  it('are of no text the token between texts, as OpenAI’s are, and a refusal where the model has none', () => {
    expect(prompted(textJob(''))).toEqual({ tokens: [tokenizer.special('<|endoftext|>')] })
    expect(prompted(textJob(''), 512, { ...tokenizer, beginning: null })).toMatchObject({ refused: 'bad_request' })
  })

  it('begin with the beginning-of-text token where the model was trained so', () => {
    expect(prompted(textJob('hi'), 512, { ...tokenizer, textStart: [0] })).toEqual({
      tokens: [0, ...tokenizer.encode('hi')],
    })
  })

  it('go on with a delivered prefix: behind the template, or behind the text, never joined with it', () => {
    const chat = prompted(aJob('hi'))
    expect(prompted(aJob('hi', { prefix: 'Hello the' }))).toEqual({
      tokens: [...('tokens' in chat ? chat.tokens : []), ...tokenizer.encode('Hello the')],
    })
    expect(prompted(textJob('Once up', { prefix: 'on a' }))).toEqual({
      tokens: [...tokenizer.encode('Once up'), ...tokenizer.encode('on a')],
    })
  })

  it('are too many when they leave no room for one token, the prefix counted', () => {
    const job = aJob('hi', { prefix: 'Hello there' })
    const whole = prompted(job)
    const length = 'tokens' in whole ? whole.tokens.length : 0
    expect(prompted(job, length + 1)).toEqual(whole)
    expect(prompted(job, length)).toEqual({ tooLong: true })
    expect(prompted(textJob('', { prefix: 'x'.repeat(1_000_000) }))).toEqual({ tooLong: true })
  })

  it('are refused in JSON mode behind what begins no object, and where some byte is no token', () => {
    for (const prefix of ['', '{"a', '{}', '{"a": [1, "é'])
      expect(prompted(aJob('hi', { isJson: true, prefix }))).toHaveProperty('tokens')
    for (const prefix of ['Sure: {', ' {', '{"a":1}}', '[1'])
      expect(prompted(aJob('hi', { isJson: true, prefix }))).toMatchObject({ refused: 'bad_request' })
    const mute = { ...tokenizer, canSayAnything: false }
    expect(prompted(aJob('hi', { isJson: true }), 512, mute)).toMatchObject({ refused: 'unsupported_parameter' })
    expect(prompted(aJob('hi'), 512, mute)).toHaveProperty('tokens')
  })
})

describe('the tokenizer', () => {
  it('has a token for every byte, so that JSON can always be said', () => {
    expect([tokenizer.canSayAnything, tokenizer.isByteLevel, tokenizer.size]).toEqual([true, true, 3072])
  })

  it('finds its own special tokens in the model’s words, and text between them', () => {
    expect(tokenizer.pieces('<|im_start|>user\n<|im_end|>')).toEqual([1, 'user\n', 2])
    expect(tokenizer.pieces('plain')).toEqual(['plain'])
    expect(tokenizer.pieces('')).toEqual([])
  })
})

describe('a chat model', () => {
  it('is refused at load when its tokens cannot be turned into text', () => {
    expect(() => loadTemplate(folder, { files: {} }, { ...tokenizer, isByteLevel: false })).toThrow('not byte-level')
  })
})
