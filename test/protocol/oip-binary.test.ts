import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, utf8ToBytes } from '../../protocol/canonical.ts'
import { readInferBody, writeInferAnswer, type InferBody } from '../../protocol/oip-binary.ts'
import { readInferAnswer, writeInferRequest } from '../../protocol/oip-client.ts'
import type { WrittenBody } from '../../protocol/oip-framing.ts'
import { stringsToBytes, type Parameters, type Tensor } from '../../protocol/oip.ts'
import { someTensors } from './tensors.ts'

const whole = ({ pieces }: WrittenBody) => concatBytes(...pieces)
const written = (result: ReturnType<typeof writeInferAnswer>): WrittenBody => {
  if (!result.ok) throw new Error(result.detail)
  return result.value
}
/** None, some or all of the tensors in binary. */
const aForm = fc.constantFrom<(name: string) => boolean>(
  () => false,
  () => true,
  (name) => Number(name.slice(1)) % 2 === 0,
)
const someParameters: fc.Arbitrary<Parameters> = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.oneof(fc.string(), fc.integer(), fc.boolean()),
  { maxKeys: 3 },
)

describe('a request', () => {
  it('is the same in JSON, in binary and mixed', () => {
    fc.assert(
      fc.property(someTensors, aForm, someParameters, (inputs, isBinary, parameters) => {
        const request = { modelName: 'm', inputs, outputs: ['a', 'x0', 'x1'], parameters }
        const body = written(writeInferRequest(request, { id: 'mine', isBinary }))
        const read = readInferBody(whole(body), body.headerLength, 'm')
        expect(read).toMatchObject({ ok: true, value: { id: 'mine' } })
        if (!read.ok) return
        expect(read.value.request).toEqual(request)
        for (const name of request.outputs) expect(read.value.wantsBinary(name)).toBe(isBinary(name))
        // Only with binary tensors is there a header before them.
        expect(body.headerLength === null).toBe(!inputs.some(({ name }) => isBinary(name)))
      }),
    )
  })
})

describe('a request to a server without the binary extension', () => {
  it('says no word of it', () => {
    const inputs: Tensor[] = [{ name: 'x', datatype: 'INT8', shape: [1], data: new Uint8Array([7]) }]
    const plain = (outputs: string[]) =>
      new TextDecoder().decode(
        whole(written(writeInferRequest({ inputs, outputs, parameters: {} }, { isBinary: () => false }))),
      )
    expect(plain([]) + plain(['y'])).not.toContain('binary')
  })
})

describe('an answer', () => {
  it('is read from servers that say less of it than ours, and more', () => {
    const said = {
      outputs: [{ name: 'y', datatype: 'INT8', shape: [1], data: [7], parameters: null, extra: 1 }],
      extra: 1,
    }
    expect(readInferAnswer(utf8ToBytes(JSON.stringify(said)), null)).toMatchObject({
      ok: true,
      value: { modelName: '', id: null, parameters: {}, outputs: [{ name: 'y', data: new Uint8Array([7]) }] },
    })
  })

  it('is the same in JSON, in binary and mixed, and its pieces can be walked through twice', () => {
    fc.assert(
      fc.property(someTensors, aForm, fc.option(fc.string()), (outputs, wantsBinary, id) => {
        const answer = { modelName: 'a/m', modelVersion: '1', id, parameters: { souk_cost: '0.1' }, outputs }
        const body = written(writeInferAnswer({ ...answer, wantsBinary }))
        expect(whole(body)).toEqual(whole(body))
        expect(readInferAnswer(whole(body), body.headerLength)).toEqual({
          ok: true,
          value: { modelName: 'a/m', id, parameters: { souk_cost: '0.1' }, outputs },
        })
      }),
    )
  })

  it('that JSON cannot say is refused by name, unless it is wanted in binary', () => {
    const outputs: Tensor[] = [
      { name: 'raw', datatype: 'BYTES', shape: [1], data: stringsToBytes([new Uint8Array([255])]) },
    ]
    const answer = { modelName: 'm', modelVersion: '1', id: null, parameters: {}, outputs }
    expect(writeInferAnswer({ ...answer, wantsBinary: () => false })).toMatchObject({
      ok: false,
      code: 'not_utf8',
      detail: '"raw": element 0 is no UTF-8, so JSON cannot say it.',
    })
    expect(writeInferAnswer({ ...answer, wantsBinary: () => true })).toMatchObject({ ok: true })
  })
})

const read = (json: unknown, data: Uint8Array = new Uint8Array(), headerLength?: number) => {
  const head = utf8ToBytes(typeof json === 'string' ? json : JSON.stringify(json))
  return readInferBody(concatBytes(head, data), headerLength ?? head.byteLength, 'm')
}
const valueOf = (json: unknown, data?: Uint8Array): InferBody => {
  const body = read(json, data)
  if (!body.ok) throw new Error(body.detail)
  return body.value
}
const input = (over: object = {}) => ({ name: 'x', datatype: 'INT8', shape: [2], data: [1, 2], ...over })
const binary = (size: unknown, over: object = {}) =>
  input({ data: undefined, parameters: { binary_data_size: size }, ...over })

describe('which outputs come in binary', () => {
  const asked = (parameters: object | undefined, own: object | undefined) =>
    valueOf({ inputs: [input()], parameters, outputs: [{ name: 'y', parameters: own }] }).wantsBinary('y')
  it.each<[object | undefined, object | undefined, boolean]>([
    [undefined, undefined, false],
    [{ binary_data_output: true }, undefined, true],
    [{ binary_data_output: false }, undefined, false],
    [undefined, { binary_data: true }, true],
    [{ binary_data_output: true }, { binary_data: false }, false],
    [{ binary_data_output: false }, { binary_data: true }, true],
  ])('%j for all and %j for one: %j', (parameters, own, isBinary) => {
    expect(asked(parameters, own)).toBe(isBinary)
  })

  it('is no parameter of the model', () => {
    const { request } = valueOf({ inputs: [input()], parameters: { binary_data_output: true, priority: 3 } })
    expect(request.parameters).toEqual({ priority: 3 })
  })
})

describe('a request is refused', () => {
  const bytes = (length: number) => new Uint8Array(length)
  it.each<[string, ReturnType<typeof read>, string | null, string]>([
    ['unknown field', read({ inputs: [input()], input: 1 }), 'input', 'Unknown field "input".'],
    ['unknown field of an input', read({ inputs: [input({ dtype: 1 })] }), 'inputs.0.dtype', 'Unknown field'],
    [
      'shared memory, which no stranger has',
      read({ inputs: [input({ parameters: { shared_memory_region: 'r' } })] }),
      'inputs.0.parameters.shared_memory_region',
      'Unknown field',
    ],
    [
      'classification of an output',
      read({ inputs: [input()], outputs: [{ name: 'y', parameters: { classification: 3 } }] }),
      'outputs.0.parameters.classification',
      'Unknown field',
    ],
    ['inputs that are none', read({}), 'inputs', 'inputs: '],
    ['no object', read([]), null, 'It is one object.'],
    ['a type that is none', read({ inputs: [input({ datatype: 'FP8' })] }), 'inputs.0.datatype', 'inputs.0.datatype: '],
    ['a shape with a free dimension', read({ inputs: [input({ shape: [-1] })] }), 'inputs.0.shape.0', 'shape.0: '],
    [
      'a dimension beyond 2^53',
      read('{"inputs":[{"name":"x","datatype":"INT8","shape":[9007199254740993],"data":[]}]}'),
      'inputs.0.shape.0',
      'shape.0: ',
    ],
    ['two inputs of a name', read({ inputs: [input(), input()] }), 'x', '"x" stands there twice.'],
    [
      'two outputs of a name',
      read({ inputs: [input()], outputs: [{ name: 'y' }, { name: 'y' }] }),
      'y',
      '"y" stands there twice.',
    ],
    ['data that do not fit', read({ inputs: [input({ data: [1] })] }), 'x', '"x": its data has 1 elements'],
    ['a value out of range', read({ inputs: [input({ data: [1, 200] })] }), 'x', '"x": element 1 is no INT8.'],
    ['no data at all', read({ inputs: [input({ data: undefined })] }), 'x', '"x" needs either data or'],
    [
      'data in both forms',
      read({ inputs: [input({ parameters: { binary_data_size: 2 } })] }, bytes(2)),
      'x',
      '"x" needs either data or',
    ],
    [
      'too few bytes for the type',
      read({ inputs: [binary(1)] }, bytes(1)),
      'x',
      '"x": it has 1 bytes, and INT8 of its shape [2] has 2.',
    ],
    [
      'bytes that end too early',
      read({ inputs: [binary(2)] }, bytes(1)),
      'x',
      '"x": its 2 bytes end behind the body, which has 1 in all.',
    ],
    [
      'bytes that nobody described',
      read({ inputs: [binary(2)] }, bytes(3)),
      'inference-header-content-length',
      '1 bytes follow the last tensor.',
    ],
    [
      'strings without lengths',
      read({ inputs: [binary(2, { datatype: 'BYTES', shape: [1] })] }, bytes(2)),
      'x',
      '"x": its 2 bytes are not the 1 elements of its shape',
    ],
    [
      'a string that is longer than its tensor',
      read({ inputs: [binary(5, { datatype: 'BYTES', shape: [1] })] }, new Uint8Array([2, 0, 0, 0, 65])),
      'x',
      '"x": its 5 bytes are not the 1 elements',
    ],
    [
      'a BOOL that is neither',
      read({ inputs: [binary(2, { datatype: 'BOOL' })] }, new Uint8Array([1, 2])),
      'x',
      '"x": a BOOL is the byte 0 or 1.',
    ],
    ['a size that is negative', read({ inputs: [binary(-1)] }), 'inputs.0.parameters.binary_data_size', 'binary_data_'],
    [
      'binary_data_output that is no boolean',
      read({ inputs: [input()], parameters: { binary_data_output: 'yes' } }),
      'parameters.binary_data_output',
      'It is true or false.',
    ],
    [
      'parameters that are lists',
      read({ inputs: [input()], parameters: { a: [1] } }),
      'parameters.a',
      'parameters.a: ',
    ],
    [
      'a header longer than the body',
      read({ inputs: [input()] }, bytes(0), 10_000),
      'inference-header-content-length',
      'The body has only ',
    ],
  ])('for %s', (_, refusal, param, detail) => {
    expect(refusal).toMatchObject({ ok: false, code: 'invalid_request', param })
    expect(refusal.ok || refusal.detail).toContain(detail)
  })

  it.each([
    ['{', 'It is no JSON.'],
    ['', 'It is no JSON.'],
  ])('for %j, which is no JSON', (text, detail) => {
    expect(read(text)).toEqual({ ok: false, code: 'invalid_json', param: null, detail })
  })

  it('for half a character, which canonical JSON cannot say', () => {
    const half = '\\ud800'
    expect(read(`{"inputs":[],"parameters":{"a":"${half}"}}`)).toMatchObject({ ok: false, param: 'parameters.a' })
    expect(read(`{"inputs":[],"parameters":{"${half}":1}}`)).toMatchObject({ ok: false, code: 'invalid_request' })
    const input = `{"name":"${half}","datatype":"INT8","shape":[0],"data":[]}`
    expect(read(`{"inputs":[${input}]}`)).toMatchObject({ ok: false, param: 'inputs.0.name' })
    expect(read(`{"inputs":[],"outputs":[{"name":"${half}"}]}`)).toMatchObject({ ok: false, param: 'outputs.0.name' })
  })

  it('for tensors that are longer than a body together', () => {
    const data = `[${Array.from({ length: 1_100_000 }, () => 0).join(',')}]`
    const of = (name: string) => `{"name":"${name}","datatype":"INT64","shape":[1100000],"data":${data}}`
    expect(read(`{"inputs":[${of('a')}]}`)).toMatchObject({ ok: true })
    expect(read(`{"inputs":[${of('a')},${of('b')}]}`)).toMatchObject({ ok: false, param: 'b' })
  })

  it('for a header that is not UTF-8', () => {
    expect(readInferBody(new Uint8Array([0x22, 0xff, 0x22]), null, 'm')).toMatchObject({
      code: 'invalid_json',
      detail: 'It is not UTF-8.',
    })
  })
})
