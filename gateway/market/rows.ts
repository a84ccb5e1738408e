// Registry rows as the market speaks of them. Text columns are parsed here, once; a row that does not parse is a bug and throws.
import { getTableColumns, sql, type InferSelectModel } from 'drizzle-orm'
import { z } from 'zod'
import { models, type nodes, type offers } from '../../db/schema.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { Assurance, NodeState } from '../../protocol/node.ts'
import type { Price } from '../../protocol/price.ts'
import { ModelState } from '../../protocol/publish.ts'
import { Continent, Parameter } from '../../protocol/routing.ts'
import {
  fromSqlInteger,
  instant,
  isAccountId,
  isModelId,
  isNodeId,
  nanos,
  type AccountId,
  type Instant,
  type ModelId,
  type NodeId,
} from '../../protocol/units.ts'
import { assert } from '../core/errors.ts'
import { toldTrustPpm } from './audits/told-trust.ts'
import { ATTEMPT_MS } from './health/health.ts'
import type { Model, Offer } from './market-port.ts'

export type ModelRow = InferSelectModel<typeof models>
export type NodeRow = InferSelectModel<typeof nodes>
export type OfferRow = InferSelectModel<typeof offers>

export const toModel = (row: ModelRow): Model => modelOf(row, ModelManifest)

/** Columns of a model without its probes: they can be half a megabyte, and who reads many models needs none of them. */
export const UNPROBED = {
  ...getTableColumns(models),
  manifest: sql<string>`json_set(${models.manifest}, '$.probes', json_array())`,
}

/** Of a row read by {@link UNPROBED}. */
export const toUnprobedModel = (row: ModelRow): Model => modelOf(row, UnprobedManifest)

const UnprobedManifest = ModelManifest.extend({ probes: z.tuple([]) })

function modelOf(row: ModelRow, schema: z.ZodType<ModelManifest>): Model {
  return {
    id: asModelId(row.id),
    digest: row.digest,
    manifest: schema.parse(JSON.parse(row.manifest)),
    authorAccountId: asAccountId(row.authorAccountId),
    royaltyBps: row.royaltyBps,
    state: ModelState.parse(row.state),
    reason: row.stateReason,
    replacedBy: row.replacedBy,
    stateAt: row.stateAt === null ? null : instant(row.stateAt),
    publishedBy: row.publishedBy,
    createdAt: instant(row.createdAt),
  }
}

/** @param now every attempt that the row counts is over when it was not renewed for longer than an attempt can last */
export function toOffer(offer: OfferRow, node: NodeRow, now: Instant): Offer {
  return {
    nodeId: asNodeId(node.id),
    nodeName: node.name,
    nodeKey: node.nodeKey,
    nodeState: NodeState.parse(node.state),
    operatorAccountId: asAccountId(node.operatorAccountId),
    endpoint: node.endpoint,
    wireVersion: node.wireVersion ?? FIRST_WIRE,
    modelId: asModelId(offer.modelId),
    price: priceOf(offer),
    priceVersion: offer.priceVersion,
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    assurance: Assurance.parse(offer.assurance),
    parameters: parametersOf(offer),
    continues: offer.continues === 1,
    collectsData: offer.collectsData === null ? offer.assurance !== 'pinned' : offer.collectsData === 1,
    region: Continent.safeParse(node.region).data ?? null,
    trust: (offer.trustPpm ?? MILLION_PPM) / MILLION_PPM,
    toldTrust: (toldTrustPpm(offer, now) ?? MILLION_PPM) / MILLION_PPM,
    breaker: offer.breaker === 'open' || offer.breaker === 'half_open' ? offer.breaker : 'closed',
    breakerUntil: offer.breakerUntil === null ? null : instant(offer.breakerUntil),
    success: offer.successPpm === null ? null : offer.successPpm / 1_000_000,
    firstTokenMs: offer.firstTokenMs,
    unitsPerSecond: offer.unitsPerKs === null ? null : offer.unitsPerKs / 1_000,
    busyShare: offer.busyPpm === null ? null : offer.busyPpm / MILLION_PPM,
    inFlightCap: inFlightCapOf(offer),
    inFlight: now - offer.updatedAt > ATTEMPT_MS ? 0 : offer.inFlight,
    windows: offer.windows,
  }
}

const MILLION_PPM = 1_000_000

/** Attempts at the same time it is sent at most: what it says, or what it was found to take. */
export const inFlightCapOf = ({ inFlightCap, concurrencyMax }: Pick<OfferRow, 'inFlightCap' | 'concurrencyMax'>) =>
  Math.min(inFlightCap ?? concurrencyMax, concurrencyMax)

/** Names that this version does not know are left out: a newer node may say more. */
export function parametersOf({ parameters }: Pick<OfferRow, 'parameters'>): ReadonlySet<Parameter> | null {
  if (parameters === null) return null
  const names = z.array(z.string()).parse(JSON.parse(parameters))
  return new Set(names.flatMap((name) => Parameter.safeParse(name).data ?? []))
}

/** Of nodes that were proved before versions were written down. */
const FIRST_WIRE = 1

type PricedRow = Pick<
  OfferRow,
  'inputPriceNanos' | 'outputPriceNanos' | 'cachedInputPriceNanos' | 'bytesPriceNanos' | 'callPriceNanos'
>

export function priceOf(offer: PricedRow): Price {
  return {
    inputPerMillion: nanos(fromSqlInteger(offer.inputPriceNanos)),
    outputPerMillion: nanos(fromSqlInteger(offer.outputPriceNanos)),
    cachedInputPerMillion: nanos(fromSqlInteger(offer.cachedInputPriceNanos)),
    bytesPerMillion: nanos(fromSqlInteger(offer.bytesPriceNanos)),
    perCall: nanos(fromSqlInteger(offer.callPriceNanos)),
  }
}

export function asNodeId(text: string): NodeId {
  assert(isNodeId(text), 'a node row has a node id')
  return text
}

export function asModelId(text: string): ModelId {
  assert(isModelId(text), 'a model row has a model id')
  return text
}

export function asAccountId(text: string): AccountId {
  assert(isAccountId(text), 'an account column has an account id')
  return text
}
