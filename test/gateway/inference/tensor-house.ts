// A house with a model of tensors: the inputs `ids` and `words` come back as they are, and `scores` has a number for each word. What a test says in
// JSON or in binary, the scripted node gets in the one canonical form.
import { concatBytes } from '../../../protocol/canonical.ts'
import type { InferAnswer, InferRequest, Tensor } from '../../../protocol/oip.ts'
import { stringsOf, stringsToBytes } from '../../../protocol/oip.ts'
import { decodeRequest, encodeAnswer } from '../../../protocol/oip-canonical.ts'
import { readInferAnswer, writeInferRequest } from '../../../protocol/oip-client.ts'
import { HEADER_LENGTH, type WrittenBody } from '../../../protocol/oip-framing.ts'
import { nanos } from '../../../protocol/units.ts'
import type { Model, Offer } from '../../../gateway/market/market-port.ts'
import { aModel, aPrice } from '../../support/workers/builders.ts'
import { aHouse, type CallInit, type HouseOptions, type ScriptedNode } from './call-house.ts'

export const OUTPUT_BYTES_MAX = 1_000
/** 3 nanos for ten bytes, and a nano a call. */
export const PRICE = aPrice({ bytesPerMillion: nanos(300_000n), perCall: nanos(1n) })
export const INFER = '/v2/models/test/tensors/infer'

export const tensorModel = (over: Partial<Model['manifest']> = {}, outputBytesMax = OUTPUT_BYTES_MAX): Model =>
  aModel({
    id: 'test/tensors',
    task: 'tensors',
    contextTokens: 1,
    outputTokensMax: 0,
    tensors: {
      inputs: [
        { name: 'ids', datatype: 'INT64', shape: [-1, 2] },
        { name: 'words', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [
        { name: 'ids', datatype: 'INT64', shape: [-1, 2] },
        { name: 'words', datatype: 'BYTES', shape: [-1] },
        { name: 'scores', datatype: 'FP32', shape: [-1] },
      ],
      outputBytesMax,
    },
    ...over,
  })

export const int64 = (...values: bigint[]) => new Uint8Array(new BigInt64Array(values).buffer)
export const ids = (...values: bigint[]): Tensor => ({
  name: 'ids',
  datatype: 'INT64',
  shape: [values.length / 2, 2],
  data: int64(...values),
})
export const words = (...texts: (string | Uint8Array)[]): Tensor => ({
  name: 'words',
  datatype: 'BYTES',
  shape: [texts.length],
  data: stringsToBytes(texts),
})

/** What the model does. */
export function computed({ inputs, outputs }: InferRequest): Tensor[] {
  const texts = stringsOf(inputs.find(({ name }) => name === 'words')?.data ?? new Uint8Array())
  const data = new Uint8Array(Float32Array.from(texts, (text, i) => text.byteLength + i / 2).buffer)
  const all = [...inputs, { name: 'scores', datatype: 'FP32', shape: [texts.length], data } as const]
  return outputs.length === 0 ? all : all.filter(({ name }) => outputs.includes(name))
}

/** A node that computes, and then says what the test makes of it. */
export const tensorNode =
  (answerOf: (answer: InferAnswer, receipt: string | null) => Uint8Array = encodeAnswer): ScriptedNode =>
  ({ body }) => {
    const request = typeof body === 'string' ? null : decodeRequest(body)
    if (!request?.ok) return Response.json({ error: { code: 'bad_request' } }, { status: 400 })
    const { modelName } = request.value
    return new Response(answerOf({ modelName, outputs: computed(request.value) }, null), {
      headers: { 'content-type': 'application/octet-stream' },
    })
  }

export interface Asked {
  readonly inputs?: readonly Tensor[]
  readonly outputs?: readonly string[]
  /** which of them travel in binary; absent: none */
  readonly isBinary?: (name: string) => boolean
  readonly id?: string
  readonly path?: string
  readonly init?: CallInit
}

export async function aTensorHouse(options: Partial<HouseOptions> = {}) {
  const nodes = options.nodes ?? [tensorNode()]
  const offers = nodes.map((_, index): Partial<Offer> => ({ price: PRICE, ...options.offers?.[index] }))
  const house = await aHouse({ model: tensorModel(), ...options, nodes, offers })
  return {
    ...house,
    /** As a client of the protocol asks. */
    async infer({
      inputs = [ids(1n, 2n), words('one')],
      outputs = [],
      isBinary = () => false,
      id,
      path,
      init,
    }: Asked = {}) {
      const written = writeInferRequest({ inputs, outputs, parameters: {} }, { isBinary, ...(id ? { id } : {}) })
      if (!written.ok) throw new Error(written.detail)
      const headers = { ...formOf(written.value), ...init?.headers }
      const call = await house.call(path ?? INFER, concatBytes(...written.value.pieces), { ...init, headers })
      return { ...call, body: new Uint8Array(await call.response.clone().arrayBuffer()) }
    },
  }
}

const formOf = ({ headerLength }: WrittenBody): Record<string, string> =>
  headerLength === null ? {} : { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) }

/** @throws Error for an answer that is none */
export function answerOf({ response, body }: { response: Response; body: Uint8Array }) {
  const length = response.headers.get(HEADER_LENGTH)
  const read = readInferAnswer(body, length === null ? null : Number(length))
  if (!read.ok) throw new Error(`${response.status} ${read.detail} ${new TextDecoder().decode(body)}`)
  return read.value
}
