// Builders: a valid thing of each kind, with the few fields a test is about given by name.
import type { ModelManifest } from '../../../protocol/model.ts'
import type { Price } from '../../../protocol/price.ts'
import { instant, nanos, type AccountId, type ModelId, type NodeId } from '../../../protocol/units.ts'
import type { Model, Offer } from '../../../gateway/market/market-port.ts'

export const PAYER = '00000000000payer' as AccountId
export const OPERATOR = '0000000000perat0' as AccountId
export const AUTHOR = '000000000000athr' as AccountId

export function aManifest(over: Partial<ModelManifest> = {}): ModelManifest {
  return {
    id: 'test/echo',
    task: 'chat',
    description: 'a model of the tests',
    licence: 'Apache-2.0',
    files: { 'model.onnx': '0'.repeat(64) },
    contextTokens: 512,
    outputTokensMax: 100,
    bytesPerTokenMin: 1,
    templateTokens: { fixed: 4, perMessage: 3 },
    probes: [{ input: 'hello', contains: 'hello' }],
    royaltyBps: 500,
    ...over,
  }
}

export function aModel(over: Partial<ModelManifest> = {}): Model {
  const manifest = aManifest(over)
  return {
    id: manifest.id as ModelId,
    digest: '1'.repeat(64),
    manifest,
    authorAccountId: AUTHOR,
    royaltyBps: manifest.royaltyBps,
    ...{ state: 'active', reason: null, replacedBy: null, stateAt: null, publishedBy: null },
    createdAt: instant(0),
  }
}

export function aPrice(over: Partial<Price> = {}): Price {
  return {
    inputPerMillion: nanos(10_000_000n),
    outputPerMillion: nanos(10_000_000n),
    cachedInputPerMillion: nanos(0n),
    bytesPerMillion: nanos(0n),
    perCall: nanos(0n),
    ...over,
  }
}

export function anOffer(over: Partial<Offer> = {}): Offer {
  return {
    nodeId: 'node_0000000000000001' as NodeId,
    nodeName: 'one',
    nodeKey: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    nodeState: 'active',
    operatorAccountId: OPERATOR,
    endpoint: 'https://node.example',
    wireVersion: 2,
    modelId: 'test/echo' as ModelId,
    price: aPrice(),
    priceVersion: 1,
    contextTokens: 512,
    outputTokensMax: 100,
    concurrencyMax: 8,
    assurance: 'pinned',
    parameters: null,
    continues: false,
    collectsData: false,
    region: null,
    trust: 1,
    toldTrust: 1,
    breaker: 'closed',
    breakerUntil: null,
    success: null,
    firstTokenMs: null,
    unitsPerSecond: null,
    busyShare: null,
    inFlightCap: over.concurrencyMax ?? 8,
    inFlight: 0,
    windows: null,
    ...over,
  }
}
