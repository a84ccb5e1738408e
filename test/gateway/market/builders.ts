// Builders of what the market's tests need: a healthy offer, a model with one probe, a report of an attempt.
import type { AttemptReport, Offer } from '../../../gateway/market/market-port.ts'
import { modelDigest } from '../../../protocol/publish.ts'
import type { ModelManifest } from '../../../protocol/model.ts'
import type { OipTensorJson, TensorSpec } from '../../../protocol/oip.ts'
import { fromUsd, nanos, type AccountId, type CallId, type ModelId, type NodeId } from '../../../protocol/units.ts'

export const OPERATOR = 'aaaaaaaaaaaaaaa1' as AccountId
export const STRANGER = 'bbbbbbbbbbbbbbb2' as AccountId
export const CHAT_MODEL = 'maker/chat' as ModelId

/** Healthy, known, active. @param over.usd dollars per million tokens, both ways */
export function anOffer({ usd = '10', ...over }: Partial<Offer> & { usd?: string } = {}): Offer {
  return {
    nodeId: 'node_aaaaaaaaaaaaaaaa' as NodeId,
    nodeName: 'a node',
    nodeKey: 'A'.repeat(43),
    nodeState: 'active',
    operatorAccountId: OPERATOR,
    endpoint: 'https://node.example.com',
    wireVersion: 2,
    modelId: CHAT_MODEL,
    price: {
      inputPerMillion: fromUsd(usd),
      outputPerMillion: fromUsd(usd),
      cachedInputPerMillion: nanos(0n),
      bytesPerMillion: nanos(0n),
      perCall: nanos(0n),
    },
    priceVersion: 1,
    contextTokens: 4_096,
    outputTokensMax: 1_024,
    concurrencyMax: 4,
    assurance: 'pinned',
    parameters: null,
    continues: false,
    collectsData: false,
    region: null,
    trust: 1,
    toldTrust: 1,
    breaker: 'closed',
    breakerUntil: null,
    success: 1,
    firstTokenMs: 100,
    unitsPerSecond: 50,
    busyShare: 0,
    inFlightCap: over.concurrencyMax ?? 4,
    inFlight: 0,
    windows: null,
    ...over,
  }
}

export function aManifest(over: Partial<ModelManifest> = {}): ModelManifest {
  return {
    id: CHAT_MODEL,
    task: 'chat',
    description: 'a small model',
    licence: 'Apache-2.0',
    files: { 'model.onnx': 'ab'.repeat(32) },
    contextTokens: 4_096,
    outputTokensMax: 1_024,
    bytesPerTokenMin: 1,
    templateTokens: { fixed: 4, perMessage: 4 },
    probes: [{ input: 'What is the capital of France?', contains: 'Paris' }],
    royaltyBps: 100,
    ...over,
  }
}

export function aVectorManifest(over: Partial<ModelManifest> = {}): ModelManifest {
  return aManifest({
    id: 'maker/embed',
    task: 'embeddings',
    files: { 'embed.onnx': 'cd'.repeat(32) },
    outputTokensMax: 0,
    dimensions: 4,
    probes: [{ input: 'hello' }],
    ...over,
  })
}

/** A graph that gives its floats back, and its words. */
export function aTensorManifest(over: Partial<ModelManifest> = {}): ModelManifest {
  const tensors: TensorSpec[] = [
    { name: 'x', datatype: 'FP32', shape: [-1, 2] },
    { name: 'words', datatype: 'BYTES', shape: [-1] },
  ]
  const known: OipTensorJson[] = [
    { name: 'x', datatype: 'FP32', shape: [1, 2], data: [0.5, -2] },
    { name: 'words', datatype: 'BYTES', shape: [2], data: ['a', 'ü'] },
  ]
  return {
    ...aManifest(),
    id: 'maker/graph',
    task: 'tensors',
    files: { 'graph.onnx': 'ef'.repeat(32) },
    contextTokens: 1,
    outputTokensMax: 0,
    tensors: { inputs: tensors, outputs: tensors, outputBytesMax: 1_000 },
    probes: [{ inputs: known, outputs: known }],
    ...over,
  }
}

export function anOfferRequest(manifest: ModelManifest = aManifest()) {
  return {
    model: manifest.id,
    digest: modelDigest(manifest),
    prices: { inputPerMillion: '0.01', outputPerMillion: '0.02', perCall: '0' },
    contextTokens: Math.min(2_048, manifest.contextTokens),
    outputTokensMax: manifest.outputTokensMax === 0 ? 0 : 512,
    concurrencyMax: 4,
  }
}

export function aReport(over: Partial<AttemptReport> = {}): AttemptReport {
  return {
    nodeId: 'node_aaaaaaaaaaaaaaaa' as NodeId,
    modelId: CHAT_MODEL,
    callId: 'call_00000000000000000000000000' as CallId,
    attempt: 0,
    outcome: 'served',
    fault: 'none',
    driftPpm: null,
    firstTokenMs: 100,
    durationMs: 1_100,
    outputTokens: 51,
    retryAfterMs: null,
    shape: null,
    ...over,
  }
}
