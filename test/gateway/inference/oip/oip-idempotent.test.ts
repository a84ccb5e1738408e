// Idempotency-Key on calls of tensor models: one charge and the same bytes again, in either form; and what a node's receipt says of the bytes.
import { describe, expect, it } from 'vitest'
import { fromUsd } from '../../../../protocol/units.ts'
import { encodeAnswer } from '../../../../protocol/oip-canonical.ts'
import { aSigner } from '../receipts/signing-node.ts'
import { answerOf, aTensorHouse, computed, ids, PRICE, tensorModel, tensorNode, words } from '../tensor-house.ts'

const START = fromUsd('1')
const once = (key = 'order-1') => ({ headers: { 'Idempotency-Key': key } })
const INPUTS = [ids(9_007_199_254_740_993n, 1n), words('one')]
const spent = async (house: Awaited<ReturnType<typeof aTensorHouse>>) =>
  START - (await house.account.balance()).availableNanos

describe.each<[string, (name: string) => boolean]>([
  ['in JSON', () => false],
  ['in binary', () => true],
])('a repeat %s', (_, isBinary) => {
  it('is the first answer again, byte by byte, and costs nothing', async () => {
    const house = await aTensorHouse()
    const first = await house.infer({ inputs: INPUTS, isBinary, init: once() })
    const again = await house.infer({ inputs: INPUTS, isBinary, init: once() })
    expect(again.response.headers.get('x-souk-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
    expect(answerOf(again).outputs).toEqual(computed({ modelName: '', inputs: INPUTS, outputs: [], parameters: {} }))
    for (const name of [
      'content-type',
      'x-souk-call-id',
      'x-souk-node',
      'x-souk-cost',
      'inference-header-content-length',
    ])
      expect(again.response.headers.get(name)).toBe(first.response.headers.get(name))
    expect(house.sent).toHaveLength(1)
    expect(await spent(house)).toBe(16n)
  })

  it('is answered when the model is gone', async () => {
    const house = await aTensorHouse()
    await house.infer({ inputs: INPUTS, isBinary, init: once() })
    house.closeMarket()
    expect((await house.infer({ inputs: INPUTS, isBinary, init: once() })).response.status).toBe(200)
    expect((await house.infer({ inputs: INPUTS, isBinary, init: once('other') })).response.status).toBe(404)
  })

  it('with other tensors, another id or other outputs is no repeat', async () => {
    const house = await aTensorHouse()
    await house.infer({ inputs: INPUTS, isBinary, init: once() })
    for (const over of [{ inputs: [ids(1n, 1n), words('one')] }, { id: 'mine' }, { outputs: ['scores'] }]) {
      const { response } = await house.infer({ inputs: INPUTS, isBinary, init: once(), ...over })
      expect([response.status, await response.json()]).toMatchObject([422, { code: 'idempotency_mismatch' }])
    }
  })
})

it('the same tensors in the other form are the same request, as long as the answer has the form it had', async () => {
  const house = await aTensorHouse()
  await house.infer({ inputs: INPUTS, outputs: ['scores'], isBinary: (name) => name !== 'scores', init: once() })
  const json = await house.infer({ inputs: INPUTS, outputs: ['scores'], init: once() })
  expect(json.response.headers.get('x-souk-replayed')).toBe('true')
  const binary = await house.infer({ inputs: INPUTS, outputs: ['scores'], isBinary: () => true, init: once() })
  expect(binary.response.status).toBe(422)
})

it('an answer too long to be kept is told to have been given', async () => {
  const house = await aTensorHouse({ model: tensorModel({}, 100_000) })
  const long = { inputs: [ids(), words('x'.repeat(65_536))], outputs: ['words'] }
  expect((await house.infer({ ...long, init: once() })).response.status).toBe(200)
  const { response } = await house.infer({ ...long, init: once() })
  expect([response.status, await response.json()]).toMatchObject([409, { code: 'idempotency_completed' }])
  expect(house.sent).toHaveLength(1)
})

describe('a receipt', () => {
  it.each([
    [50, 0],
    [100, 500_000],
    [0, 1_000_000],
  ])(
    'of %i tensor bytes, where 50 were relayed, is off by %i millionths; it stands in the answer',
    async (tensorBytes, ppm) => {
      const signer = await aSigner()
      let receipt = ''
      const house = await aTensorHouse({
        nodes: [
          async (request) => {
            receipt = await signer.receiptFor(request.ticket, { inputTokens: 0, outputTokens: 0, tensorBytes })
            return tensorNode((answer) => encodeAnswer(answer, receipt))(request)
          },
        ],
        offers: [{ nodeKey: signer.nodeKey, price: PRICE }],
      })
      const call = await house.infer()
      await call.settled()
      expect(answerOf(call).parameters.souk_receipt).toBe(receipt)
      expect(house.reports[0]?.driftPpm).toBe(ppm)
      // Whatever it says, the bytes that were relayed are what is paid for.
      expect(await spent(house)).toBe(16n)
    },
  )
})
