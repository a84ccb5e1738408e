// What a buyer is told of a model of each kind of task.
import { describe, expect, it } from 'vitest'
import { modelView } from '../../../../gateway/inference/views/models-view.ts'
import { ModelView } from '../../../../protocol/openai.ts'
import { instant, nanos, type NodeId } from '../../../../protocol/units.ts'
import { aModel, anOffer, aPrice } from '../../../support/workers/builders.ts'

const viewOf = (over: Parameters<typeof aModel>[0], offers = [anOffer()]) =>
  ModelView.parse(modelView({ model: aModel(over), offers, takenAt: instant(0) }))

describe('a model in the list', () => {
  it.each([
    ['chat', {}, { context_length: 512, max_output_tokens: 100, dimensions: null }],
    ['embeddings', { dimensions: 100 }, { context_length: 512, dimensions: { min: 100, max: 100 } }],
    [
      'embeddings',
      { dimensions: 100, dimensionsMin: 16 },
      { max_output_tokens: null, dimensions: { min: 16, max: 100 } },
    ],
    ['embeddings', {}, { dimensions: null }],
    ['classification', {}, { context_length: null, max_output_tokens: null, dimensions: null }],
    ['ocr', { contextTokens: 1 }, { context_length: null }],
    ['tensors', { contextTokens: 1 }, { context_length: null, max_output_tokens: null }],
  ] as const)('of the task %s %j says %j', (task, over, says) => {
    expect(viewOf({ task, ...over })).toMatchObject({ task, ...says })
  })

  it('has the price of the cheapest offer in what its task is paid by', () => {
    const forText = aPrice({ inputPerMillion: nanos(1_000_000n), bytesPerMillion: nanos(9_000_000n) })
    const forBytes = aPrice({ inputPerMillion: nanos(99_000_000n), bytesPerMillion: nanos(2_000_000n) })
    const offers = [forText, forBytes].map((price, index) => anOffer({ price, nodeId: `node_${index}` as NodeId }))
    expect(viewOf({ task: 'chat' }, offers).pricing?.prompt).toBe('0.000000001')
    expect(viewOf({ task: 'chat' }, offers).pricing?.per_million?.prompt).toBe('0.001000000')
    expect(viewOf({ task: 'tensors' }, offers).pricing?.byte).toBe('0.000000002')
  })

  it('has it per million to the nano, and per unit rounded up', () => {
    const price = aPrice({
      inputPerMillion: nanos(1n),
      outputPerMillion: nanos(1_000_001n),
      bytesPerMillion: nanos(0n),
    })
    expect(viewOf({}, [anOffer({ price })]).pricing).toMatchObject({
      ...{ prompt: '0.000000001', completion: '0.000000002', byte: '0.000000000' },
      per_million: { prompt: '0.000000001', completion: '0.001000001', byte: '0.000000000' },
    })
  })

  it('of equal prices a unit is the one with the cheaper call, and has no price when nobody offers it', () => {
    const offers = [9n, 3n].map((perCall) => anOffer({ price: aPrice({ perCall: nanos(perCall) }) }))
    expect(viewOf({}, offers)).toMatchObject({ nodes: 2, pricing: { request: '0.000000003' } })
    expect(viewOf({}, [])).toMatchObject({ nodes: 0, pricing: null })
  })
})
