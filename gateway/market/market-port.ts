// What the inference room sees of the market: the offers for a model as this isolate last saw them, and where to report how an attempt went.
import type { ModelManifest } from '../../protocol/model.ts'
import type { Assurance, NodeState } from '../../protocol/node.ts'
import type { Price } from '../../protocol/price.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { ModelState } from '../../protocol/publish.ts'
import type { Continent, Parameter } from '../../protocol/routing.ts'
import type { AccountId, CallId, Instant, ModelId, NodeId } from '../../protocol/units.ts'

export interface Model {
  readonly id: ModelId
  readonly digest: string
  readonly manifest: ModelManifest
  readonly authorAccountId: AccountId
  readonly royaltyBps: number
  readonly state: ModelState
  /** of its state, in words for callers and operators */
  readonly reason: string | null
  /** ModelId to use instead */
  readonly replacedBy: string | null
  /** of the last change of its state; null: never changed */
  readonly stateAt: Instant | null
  /** checksummed: the wallet that signed its publication; null for a model of before */
  readonly publishedBy: string | null
  readonly createdAt: Instant
}

/** One node's offer for one model, with what is known of its health. Null health means unknown, which is not perfect. */
export interface Offer {
  readonly nodeId: NodeId
  readonly nodeName: string
  /** Ed25519 public key, base64url */
  readonly nodeKey: string
  readonly nodeState: NodeState
  /** of a node on probation: what it weighs, of what it would weigh without, 0…1; absent: policy.ts */
  readonly probationShare?: number
  readonly operatorAccountId: AccountId
  /** an address, or LINK_ENDPOINT */
  readonly endpoint: string
  readonly wireVersion: number
  readonly modelId: ModelId
  readonly price: Price
  /** of these prices, from 1 */
  readonly priceVersion: number
  readonly contextTokens: number
  readonly outputTokensMax: number
  readonly concurrencyMax: number
  readonly assurance: Assurance
  /** request fields its engine honours; null: not said */
  readonly parameters: ReadonlySet<Parameter> | null
  /** its text goes on from what another node has delivered */
  readonly continues: boolean
  /** keeps prompts or answers, or does not say that it keeps none */
  readonly collectsData: boolean
  /** where its node was last seen; null: not known */
  readonly region: Continent | null
  /** what audits think of it, 0…1; 1 while they think nothing */
  readonly trust: number
  /** of it what is told: as the day began */
  readonly toldTrust: number
  readonly breaker: 'closed' | 'open' | 'half_open'
  readonly breakerUntil: Instant | null
  /** decayed share of attempts that succeeded, 0…1 */
  readonly success: number | null
  readonly firstTokenMs: number | null
  /** output units per second */
  readonly unitsPerSecond: number | null
  /** decayed share of attempts refused because all places were taken, 0…1 */
  readonly busyShare: number | null
  /** attempts at the same time it was found to take: at most concurrencyMax */
  readonly inFlightCap: number
  readonly inFlight: number
  /** as its guard wrote it, for `readWindows` (health/windows.ts): who chooses reads none of it; null: nothing yet */
  readonly windows: string | null
}

/** What this isolate has just seen of an offer itself. It may only judge worse. */
export interface LocalJudgement {
  /** attempts it has under way there */
  readonly inFlight: number
  /** it failed here: as good as an open breaker until then */
  readonly brokenUntil: Instant | null
  /** it said "busy" and when to come back: it is not asked before */
  readonly busyUntil: Instant | null
}

export interface Snapshot {
  readonly model: Model
  /** live offers of nodes in probation or active, whatever their breaker says */
  readonly offers: readonly Offer[]
  /** only of nodes of which this isolate knows something */
  readonly local: ReadonlyMap<NodeId, LocalJudgement>
  readonly takenAt: Instant
}

/**
 * What a call looks like from outside, without a word of it: sizes, and how it is sampled. Audits are made to look the same.
 * Absent fields were not given.
 */
export interface CallShape {
  /** of NODE_PATHS */
  readonly path: string
  /** UTF-8 bytes of the body sent, and its messages, prompts or inputs */
  readonly bodyBytes: number
  readonly parts: number
  readonly maxTokens?: number
  /** the request's own values, JSON: temperature, top_p, top_k, n, logprobs, top_logprobs, stop's length, response_format, seed's presence */
  readonly sampling: Readonly<Record<string, number | string | boolean>>
}

/** How one attempt went. `fault` says whose: only the node's own faults count against it. */
export interface AttemptReport {
  readonly nodeId: NodeId
  readonly modelId: ModelId
  readonly callId: CallId
  readonly attempt: number
  readonly outcome: 'served' | 'cancelled' | ErrorCode
  readonly fault: 'none' | 'node' | 'caller' | 'gateway'
  readonly firstTokenMs: number | null
  /** of the whole attempt */
  readonly durationMs: number
  readonly outputTokens: number
  /** gap between what the node states and what can be, millionths; null when it stated nothing */
  readonly driftPpm: number | null
  /** it was refused as busy, and asked to be left alone so long; null: it did not say */
  readonly retryAfterMs: number | null
  /** it refused the ticket; absent: it did not, or nobody knows */
  readonly hasRefusedTicket?: boolean
  /** null: not to be remembered */
  readonly shape: CallShape | null
}

export interface Market {
  /** The snapshot for a model, with what this isolate has just seen itself; null when there is no such model. Fresh 5 s; stale up to 30 s while `background` refreshes it. */
  snapshot(modelId: ModelId, background: (work: Promise<unknown>) => void): Promise<Snapshot | null>
  /** Unawaited by the call: an attempt begins. Counts towards the node's in-flight. */
  attemptStarted(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): Promise<void>
  /** Unawaited by the call: it ended. Also lets this isolate judge the node worse at once, before the snapshot knows. */
  attemptEnded(report: AttemptReport): Promise<void>
  models(): Promise<readonly ModelOffers[]>
}

/** Of the list of all models, which nobody chooses from. */
export type ModelOffers = Omit<Snapshot, 'local'>
