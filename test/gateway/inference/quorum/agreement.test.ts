import { describe, expect, it } from 'vitest'
import {
  agreeOf,
  isSameTensors,
  isSameText,
  isSameVectors,
  largestGroup,
} from '../../../../gateway/inference/quorum/agreement.ts'
import type { Tensor } from '../../../../protocol/oip.ts'

describe('how many must agree', () => {
  it.each([
    [{ n: 2 }, 2],
    [{ n: 3 }, 2],
    [{ n: 4 }, 3],
    [{ n: 5 }, 3],
    [{ n: 5, agree: 2 }, 2],
  ])('of %o are %i', (quorum, agree) => expect(agreeOf(quorum)).toBe(agree))
})

describe('the largest group', () => {
  const near = (a: number, b: number) => Math.abs(a - b) <= 1
  it.each<[string, number[], number[]]>([
    ['is empty without answers', [], []],
    ['is one that stands alone', [1], [0]],
    ['is that of the most alike', [9, 1, 1, 5, 1], [1, 2, 4]],
    ['is the one that came first of two as large', [1, 5, 5, 1], [0, 3]],
    ['is around the answer that is given: the others are alike to that one', [0, 1, 2], [1, 0, 2]],
  ])('%s', (_, answers, group) => expect(largestGroup(answers, near)).toEqual(group))
})

describe('two texts', () => {
  const said = (...choices: [string, string][]) => ({
    choices: choices.map(([text, finishReason]) => ({ text, finishReason })),
  })
  const known = said(['yes', 'stop'], ['no', 'length'])
  it.each([
    ['are the same to the character', said(['yes', 'stop'], ['no', 'length']), true],
    ['differ by a space at the end', said(['yes ', 'stop'], ['no', 'length']), false],
    ['differ by how one choice ended', said(['yes', 'stop'], ['no', 'stop']), false],
    ['differ by the order of their choices', said(['no', 'length'], ['yes', 'stop']), false],
    ['differ by a choice that is missing', said(['yes', 'stop']), false],
  ])('%s', (_, answer, is) => {
    expect(isSameText(answer, known)).toBe(is)
    expect(isSameText(known, answer)).toBe(is)
  })
})

describe('two answers in vectors', () => {
  const known = { vectors: [[1, 2, 3]] }
  it.each([
    ['are the same', [[1, 2, 3]], true],
    ['differ as machines round', [[1.001, 2, 2.999]], true],
    ['point elsewhere', [[3, 2, 1]], false],
    ['point the other way', [[-1, -2, -3]], false],
    ['point the same way, but one is a hundredth longer', [[1.01, 2.02, 3.03]], true],
    ['point the same way, but one is longer by more', [[1.0101, 2.0202, 3.0303]], false],
    ['have other lengths', [[1, 2, 3, 0]], false],
    ['are nothing and something', [[0, 0, 0]], false],
    [
      'are not as many',
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
      false,
    ],
    ['are too large to be compared', [[1e200, 2e200, 3e200]], false],
  ])('%s', (_, vectors, is) => {
    expect(isSameVectors({ vectors }, known)).toBe(is)
    expect(isSameVectors(known, { vectors })).toBe(is)
  })

  it('are the same when both are nothing', () => {
    expect(isSameVectors({ vectors: [[0, 0]] }, { vectors: [[0, 0]] })).toBe(true)
  })

  it('agree down to the cosine of the tolerance, and not below', () => {
    const at = (cosine: number) => ({ vectors: [[cosine, Math.sqrt(1 - cosine * cosine)]] })
    const axis = { vectors: [[1, 0]] }
    expect(isSameVectors(at(0.99901), axis)).toBe(true)
    expect(isSameVectors(at(0.99899), axis)).toBe(false)
  })
})

describe('two answers in tensors', () => {
  const scores = (...values: number[]): Tensor => ({
    name: 'scores',
    datatype: 'FP32',
    shape: [values.length],
    data: new Uint8Array(Float32Array.from(values).buffer),
  })
  const ids = (value: bigint): Tensor => ({
    name: 'ids',
    datatype: 'INT64',
    shape: [1],
    data: new Uint8Array(new BigInt64Array([value]).buffer),
  })
  it.each<[string, Tensor[], boolean]>([
    ['are the same', [scores(1, 2), ids(7n)], true],
    ['have their outputs in another order', [ids(7n), scores(1, 2)], true],
    ['differ as machines round', [scores(1.0005, 2), ids(7n)], true],
    ['differ by more', [scores(1.002, 2), ids(7n)], false],
    ['differ by an id', [scores(1, 2), ids(8n)], false],
    ['lack an output', [scores(1, 2)], false],
    ['name an output twice for another', [scores(1, 2), scores(1, 2)], false],
    ['have another shape', [scores(1, 2, 3), ids(7n)], false],
  ])('%s', (_, outputs, is) => expect(isSameTensors({ outputs }, { outputs: [scores(1, 2), ids(7n)] })).toBe(is))
})
