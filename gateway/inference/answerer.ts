// Whose words an answer is: the node, and the model, which is the one asked for or one to be used instead.
import type { ModelId, NodeId } from '../../protocol/units.ts'
import type { CapturedCall } from './settle/settle.ts'

export interface Answerer {
  readonly nodeId: NodeId
  readonly modelId: ModelId
}

export const answererOf = ({ offer, modelId }: Pick<CapturedCall<unknown>, 'offer' | 'modelId'>): Answerer => ({
  nodeId: offer.nodeId,
  modelId,
})

/** The model stands in the headers only where it is another one than was asked for. */
export const answererHeaders = ({ nodeId, modelId }: Answerer, asked: ModelId): Record<string, string> => ({
  'x-souk-node': nodeId,
  ...(modelId === asked ? {} : { 'x-souk-model': modelId }),
})
