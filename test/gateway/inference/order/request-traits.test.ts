import { describe, expect, it } from 'vitest'
import { parametersInUse, shapeOf, type Fields } from '../../../../gateway/inference/order/request-traits.ts'

describe('a field is in use', () => {
  it.each<[keyof Fields, unknown[], unknown[]]>([
    ['temperature', [0, 0.5, 1, 2], [null, undefined]],
    ['top_p', [0.1, 0.99], [1, null, undefined]],
    ['top_k', [1, 40], [0, null]],
    ['seed', [0, -1, 7], [null]],
    ['stop', ['a', ['a'], ['a', 'b']], [[], null]],
    ['n', [2, 8], [1, null]],
    ['logprobs', [true, 0, 5], [false, null]],
    ['top_logprobs', [1, 20], [0, null]],
    ['response_format', [{ type: 'json_object' }], [{ type: 'text' }, null]],
    ['dimensions', [1, 256], [null, undefined]],
  ])('%s', (name, used, unused) => {
    for (const value of used) expect([...parametersInUse({ [name]: value })], String(value)).toEqual([name])
    for (const value of unused) expect([...parametersInUse({ [name]: value })], String(value)).toEqual([])
  })
})

describe('the shape of a request', () => {
  it('has its sizes and its sampling, and not a word of it', () => {
    const fields = {
      temperature: 0.5,
      top_p: 1,
      n: 2,
      logprobs: true,
      top_logprobs: 3,
      stop: ['my secret', 'words'],
      seed: 77,
      response_format: { type: 'json_object' },
    }
    expect(shapeOf(fields, 3, 100)).toEqual({
      parts: 3,
      maxTokens: 100,
      sampling: {
        temperature: 0.5,
        top_p: 1,
        n: 2,
        logprobs: true,
        top_logprobs: 3,
        stop: 2,
        seed: true,
        response_format: 'json_object',
      },
    })
  })
  it('leaves out what was not given', () => {
    expect(shapeOf({ temperature: null, seed: undefined }, 1, null)).toEqual({ parts: 1, sampling: {} })
    expect(shapeOf({ stop: 'one' }, 1)).toEqual({ parts: 1, sampling: { stop: 1 } })
  })
})
