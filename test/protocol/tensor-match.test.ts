import { describe, expect, it } from 'vitest'
import { isNear, tensorMismatch, TOLERANCE } from '../../protocol/tensor-match.ts'
import { tensorFromJson } from '../../protocol/oip-json.ts'
import { DATATYPE_BYTES, stringsToBytes, type Datatype, type Tensor } from '../../protocol/oip.ts'

function aTensor(datatype: Datatype, data: unknown[], shape = [data.length]): Tensor {
  const tensor = tensorFromJson({ name: 'y', datatype, shape, data })
  if (!tensor.ok) throw new Error(tensor.detail)
  return tensor.value
}
const bits = (datatype: Datatype, ...bytes: number[]): Tensor => ({
  name: 'y',
  datatype,
  shape: [bytes.length / (DATATYPE_BYTES[datatype] ?? 1)],
  data: new Uint8Array(bytes),
})

describe('isNear', () => {
  // atol 0.5 and rtol 0.25, which are exact in binary: of 2 it may be 1 away, of 0 a half.
  const tolerance = { rtol: 0.25, atol: 0.5 }
  it.each([
    [3, 2, true],
    [3.0000001, 2, false],
    [1, 2, true],
    [0.9999999, 2, false],
    [-3, -2, true],
    [-2, 2, false],
    [0.5, 0, true],
    [0.5000001, 0, false],
    [0, -0, true],
    [NaN, NaN, true],
    [NaN, 0, false],
    [0, NaN, false],
    [Infinity, Infinity, true],
    [-Infinity, Infinity, false],
    [1e308, Infinity, false],
    [Infinity, 1e308, false],
    [-1.7e308, 1.7e308, false],
  ])('%d for %d: %s', (answer, known, near) => {
    expect(isNear(answer, known, tolerance)).toBe(near)
  })

  it('measures the distance by the known value, not by the answer', () => {
    expect(isNear(4, 3, { rtol: 0.25, atol: 0 })).toBe(false)
    expect(isNear(3, 4, { rtol: 0.25, atol: 0 })).toBe(true)
  })

  it('is equality without any tolerance', () => {
    expect(isNear(1, 1, { rtol: 0, atol: 0 })).toBe(true)
    expect(isNear(1 + Number.EPSILON, 1, { rtol: 0, atol: 0 })).toBe(false)
  })
})

describe('a tensor matches the known one', () => {
  it.each<[Datatype, unknown[], unknown[]]>([
    ['FP64', [1, -2.5], [1.0009, -2.5024]],
    ['FP32', [1000, 'NaN', 0], [1000.9, 'NaN', 0.0000009]],
    ['FP32', ['Infinity'], ['Infinity']],
    ['FP16', [1, 2], [1.0009765625, 2]], // one unit in the last place
    ['BF16', [256, 0], [256, 0]],
    ['INT64', [9007199254740991n], [9007199254740991n]],
    ['BOOL', [true, false], [true, false]],
    ['BYTES', ['a', 'ü'], ['a', 'ü']],
    ['FP32', [], []],
  ])('of %s', (datatype, known, answer) => {
    expect(tensorMismatch(aTensor(datatype, answer), aTensor(datatype, known), TOLERANCE)).toBeNull()
  })

  it('whatever bits its NaN and its zero have', () => {
    expect(tensorMismatch(bits('FP16', 0x01, 0x7c), bits('FP16', 0x00, 0x7e), TOLERANCE)).toBeNull()
    expect(tensorMismatch(bits('BF16', 0x00, 0x80), bits('BF16', 0x00, 0x00), TOLERANCE)).toBeNull()
    expect(tensorMismatch(bits('FP32', 0, 0, 0, 0x80), bits('FP32', 0, 0, 0, 0), TOLERANCE)).toBeNull()
  })

  it('also when its bytes begin in the middle of a buffer', () => {
    const known = aTensor('FP32', [1.5, 2])
    const body = new Uint8Array([9, ...known.data])
    expect(tensorMismatch({ ...known, data: body.subarray(1) }, known, TOLERANCE)).toBeNull()
  })
})

describe('a tensor does not match, and it is said where and never by what value', () => {
  it.each<[string, Tensor, Tensor, string]>([
    ['one element', aTensor('FP32', [1, 2, 3.01]), aTensor('FP32', [1, 2, 3]), 'has another value at element 2'],
    ['a half', aTensor('FP16', [1.002]), aTensor('FP16', [1]), 'has another value at element 0'],
    // As bytes the two differ by one, as numbers by a whole step of BF16.
    ['a bfloat', aTensor('BF16', [1.0078125]), aTensor('BF16', [1]), 'has another value at element 0'],
    ['a NaN for a number', aTensor('FP64', ['NaN']), aTensor('FP64', [1]), 'has another value at element 0'],
    ['an integer one beside', aTensor('INT64', [4]), aTensor('INT64', [5]), 'is not the known one'],
    ['a small integer', aTensor('UINT8', [254]), aTensor('UINT8', [255]), 'is not the known one'],
    ['a boolean', aTensor('BOOL', [true]), aTensor('BOOL', [false]), 'is not the known one'],
    ['a word', aTensor('BYTES', ['Paris']), aTensor('BYTES', ['Pariz']), 'is not the known one'],
    [
      'the same characters cut otherwise',
      { ...aTensor('BYTES', ['ab', 'c']), data: stringsToBytes(['a', 'bc']) },
      aTensor('BYTES', ['ab', 'c']),
      'is not the known one',
    ],
    ['another type', aTensor('FP64', [1]), aTensor('FP32', [1]), 'is FP64 and not FP32'],
    ['another shape', aTensor('FP32', [1, 2], [2, 1]), aTensor('FP32', [1, 2]), 'has the shape [2, 1] and not [2]'],
    ['fewer elements', aTensor('FP32', [1]), aTensor('FP32', [1, 2]), 'has the shape [1] and not [2]'],
  ])('%s', (_, answer, known, why) => {
    expect(tensorMismatch(answer, known, TOLERANCE)).toBe(why)
  })
})
