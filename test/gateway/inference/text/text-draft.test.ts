// What chat and completions order: the bounds that are held and put into the ticket, and the body that a node gets.
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../../../gateway/core/errors.ts'
import { LIMITS } from '../../../../gateway/core/limits.ts'
import { chatDraft } from '../../../../gateway/inference/openai/chat.ts'
import { completionDraft } from '../../../../gateway/inference/openai/completions.ts'
import type { TextDraft } from '../../../../gateway/inference/text/text-draft.ts'
import { ChatRequest, CompletionRequest } from '../../../../protocol/openai.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

const messages = [{ role: 'user', content: 'hi' }]
const chat = (over: object = {}) => chatDraft(ChatRequest.parse({ model: 'test/echo', messages, ...over }))
const completion = (over: object = {}) =>
  completionDraft(CompletionRequest.parse({ model: 'test/echo', prompt: 'hi', ...over }))
const large = aModel({ contextTokens: 1_000_000, outputTokensMax: 131_072 })
const bodyOf = (draft: TextDraft, over: object = {}, model = aModel()) =>
  JSON.parse(String(draft.bodyFor(model, anOffer(over), { seed: null, prefix: null }))) as Record<string, unknown> // what our own room wrote

describe('a chat', () => {
  it.each<[string, object, bigint, number]>([
    ['nothing', {}, 100n, 100],
    ['one choice', { n: 1, max_tokens: 10 }, 10n, 10],
    ['three choices', { n: 3, max_tokens: 10 }, 30n, 10],
    ['eight choices of more than the model can', { n: 8, max_tokens: 101 }, 800n, 100],
    ['the new name of max_tokens', { n: 2, max_completion_tokens: 7, max_tokens: 9 }, 14n, 7],
  ])(
    'that asks for %s orders the tokens of all its choices, and tells the node those of one',
    (_, over, most, told) => {
      const draft = chat(over)
      expect(draft.most(aModel()).outputTokens).toBe(most)
      expect(bodyOf(draft)).toMatchObject({ max_tokens: told, stream: true })
    },
  )

  it('counts its prompt once, however many choices go on from it', () => {
    const [one, eight] = [chat(), chat({ n: 8 })].map((draft) => draft.most(aModel()).inputTokens)
    expect(one).toBe(eight)
  })

  it('must fit a context with one choice, not with all of them', () => {
    const draft = chat({ n: 8, max_tokens: 10 })
    expect(draft.longestTokens?.(aModel())).toBe(draft.most(aModel()).inputTokens + 10n)
  })

  it('tells a node at most what its offer gives', () => {
    expect(bodyOf(chat({ n: 2, max_tokens: 50 }), { outputTokensMax: 20 })).toMatchObject({ n: 2, max_tokens: 20 })
  })

  it('passes on what it is asked for, and only that', () => {
    const asked = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      seed: 7,
      n: 2,
      logprobs: true,
      top_logprobs: 3,
      response_format: { type: 'json_object' },
    }
    const rest = { user: 'u', metadata: { a: 'b' }, presence_penalty: 0 }
    expect(bodyOf(chat({ ...asked, ...rest, stop: 'x', stream: true }))).toEqual({
      model: 'test/echo',
      messages,
      stream: true,
      max_tokens: 100,
      stop: ['x'],
      ...asked,
    })
    const nulls = Object.fromEntries(Object.keys(asked).map((name) => [name, null]))
    expect(bodyOf(chat(nulls))).toEqual({ model: 'test/echo', messages, stream: true, max_tokens: 100 })
  })

  it.each([
    [{ top_logprobs: 1 }, false],
    [{ top_logprobs: 1, logprobs: false }, false],
    [{ top_logprobs: 0 }, true],
    [{ top_logprobs: null }, true],
    [{ top_logprobs: 20, logprobs: true }, true],
  ])('of %j: is allowed %s, since alternatives stand beside log probabilities', (over, isAllowed) => {
    if (isAllowed) expect(chat(over).task).toBe('chat')
    else expect(() => chat(over)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'top_logprobs' }))
  })
})

describe('log probabilities for a caller who does not stream', () => {
  const eachOf = (over: object) => Number(chat({ logprobs: true, ...over }).most(large).outputTokens)
  it.each<[string, object, number]>([
    ['as many as can be collected', {}, LIMITS.collectedChances],
    ['of one alternative: half as many tokens', { top_logprobs: 1 }, LIMITS.collectedChances / 2],
    [
      'of three alternatives and two choices: an eighth for each',
      { top_logprobs: 3, n: 2 },
      LIMITS.collectedChances / 4,
    ],
    ['of less than that: what was asked for', { top_logprobs: 1, max_tokens: 65_536 }, 65_536],
  ])('are %s', (_, over, most) => expect(eachOf(over)).toBe(most))

  it('bound nothing of a stream', () => {
    expect(chat({ logprobs: true, top_logprobs: 20, stream: true }).most(large).outputTokens).toBe(131_072n)
  })
})

describe('a completion', () => {
  it('is of sixteen tokens unless it asks, as OpenAI has it', () => {
    expect(completion().most(aModel()).outputTokens).toBe(16n)
    expect(bodyOf(completion())).toEqual({ model: 'test/echo', prompt: 'hi', stream: true, max_tokens: 16 })
  })

  it.each<[string, object, number, bigint]>([
    ['one prompt', {}, 1, 10n],
    ['one prompt in a list', { prompt: ['a'] }, 1, 10n],
    ['three prompts', { prompt: ['a', 'b', 'c'] }, 3, 30n],
    ['two prompts with three choices each', { prompt: ['a', 'b'], n: 3 }, 6, 60n],
    ['all that may be asked for', { prompt: Array(16).fill('a'), n: 8 }, 128, 1_280n],
  ])('of %s orders every prompt with every choice', (_, over, choices, most) => {
    const draft = completion({ max_tokens: 10, ...over })
    expect(draft.choices).toBe(choices)
    expect(draft.most(aModel()).outputTokens).toBe(most)
  })

  it.each<[string, string | string[], bigint, bigint]>([
    // the two quotes of its JSON and 4 fixed, each prompt for itself; nothing for messages
    ['a text', 'hello', 11n, 11n],
    ['three texts', ['hello', '', 'é'], 11n + 6n + 8n, 11n],
    ['a text as long as the context', 'x'.repeat(506), 512n, 512n],
    ['a longer one', 'x'.repeat(507), 512n, 513n],
    ['two longer ones', ['x'.repeat(507), 'y'.repeat(9_000)], 1_024n, 9_006n],
  ])('of %s has an input of at most so many tokens', (_, prompt, most, longest) => {
    const draft = completion({ prompt, max_tokens: 10, n: 2 })
    expect(draft.most(aModel()).inputTokens).toBe(most)
    expect(draft.longestTokens?.(aModel())).toBe(longest + 10n)
  })

  it('passes on what it is asked for in its own words', () => {
    const asked = { prompt: ['a', 'b'], n: 2, logprobs: 0, seed: 1, top_k: 3, temperature: 1, top_p: 1, max_tokens: 5 }
    const draft = completion({ ...asked, stop: ['x', 'y'], best_of: 1, echo: false, user: 'u', frequency_penalty: 0 })
    expect(bodyOf(draft)).toEqual({ model: 'test/echo', stream: true, stop: ['x', 'y'], ...asked })
    expect([draft.path, draft.task, draft.logprobs]).toEqual(['/v1/completions', 'chat', 0])
  })
})

it('a refusal of a draft is one of the gateway', () => {
  expect(() => chat({ top_logprobs: 2 })).toThrow(GatewayError)
})
