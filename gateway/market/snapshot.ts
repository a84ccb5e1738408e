// What this isolate last saw of each model's offers: one D1 query per model and five seconds, none of them on the path of a call once warm.
// Fresh for 5 s; then the call that finds it old refreshes it behind itself; waited for only when older than 30 s or absent. Unknown models are
// remembered as well, for 2 s and in a bounded map, so that invented names do not become queries.
import { and, asc, eq, inArray, isNotNull, isNull, ne, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, nodes, offers } from '../../db/schema.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import type { ModelId } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { SNAPSHOT } from '../core/limits.ts'
import { prepared } from './choose/prepared.ts'
import type { ModelOffers } from './market-port.ts'
import { toOffer, toUnprobedModel, UNPROBED } from './rows.ts'

/** offers read for one model; the cheapest ones come first. A choice takes ten thousand, but reading and parsing them every few seconds would hold up the isolate's streams */
const OFFERS_MAX = 500
/** rows of the list of all models */
const LIST_ROWS_MAX = 2_000
const UNKNOWN_MS = 2_000
const KNOWN_MAX = 1_000
const UNKNOWN_MAX = 1_000
/** refreshes whose requests are gone never end, and would stay for ever */
const UNDER_WAY_MAX = 1_000
/** A refresh that runs longer than this is taken for lost: the request that began it may be gone, and its I/O with it. */
const SHARED_MS = 2_000

export type Background = (work: Promise<unknown>) => void

export interface Snapshots {
  get(modelId: ModelId, background: Background): Promise<ModelOffers | null>
  /** what was read last, however old; null: nothing */
  peek(modelId: ModelId): ModelOffers | null
  /** every model, with or without offers */
  all(): Promise<readonly ModelOffers[]>
}

interface SnapshotNeeds {
  readonly db: D1Database
  readonly clock: Clock
  /** what a node on probation weighs, of what it would weigh without, as the house has set it; absent: policy.ts */
  readonly probationShare?: () => Promise<number>
}

export function createSnapshots(needs: SnapshotNeeds): Snapshots {
  const { clock } = needs
  const read = createReader(needs)
  const known = new Map<ModelId, ModelOffers>()
  const unknown = new Map<ModelId, number>()
  const underWay = new Map<ModelId, { read: Promise<ModelOffers | null>; since: number }>()
  let list: { snapshots: readonly ModelOffers[]; takenAt: number } | null = null

  const refresh = (modelId: ModelId): Promise<ModelOffers | null> => {
    const work = read.one(modelId).then((snapshot) => {
      if (snapshot) {
        // Behind the call that found it old: else the next one would wait for it.
        prepared(snapshot.offers)
        keep(known, modelId, snapshot, KNOWN_MAX)
      } else {
        known.delete(modelId)
        keep(unknown, modelId, clock(), UNKNOWN_MAX)
      }
      return snapshot
    })
    const entry = {
      since: clock(),
      read: work.finally(() => underWay.get(modelId) === entry && underWay.delete(modelId)),
    }
    keep(underWay, modelId, entry, UNDER_WAY_MAX)
    return entry.read
  }
  const running = (modelId: ModelId) => {
    const entry = underWay.get(modelId)
    return entry && clock() - entry.since < SHARED_MS ? entry.read : null
  }
  /** Joins a refresh under way, but never depends on another request's life. */
  const awaited = async (modelId: ModelId): Promise<ModelOffers | null> => {
    const shared = running(modelId)
    if (!shared) return refresh(modelId)
    const joined = await firstOf(shared, SHARED_MS)
    return joined === undefined ? refresh(modelId) : joined
  }
  return {
    async get(modelId, background) {
      const now = clock()
      const snapshot = known.get(modelId)
      if (!snapshot) {
        const missedAt = unknown.get(modelId)
        if (missedAt !== undefined && now - missedAt < UNKNOWN_MS) return null
        return awaited(modelId)
      }
      const age = now - snapshot.takenAt
      if (age < SNAPSHOT.freshMs) return snapshot
      if (age >= SNAPSHOT.staleMs) return awaited(modelId)
      // The old one still serves: a failed refresh is tried again by the next call, and seen in the log.
      if (!running(modelId)) background(refresh(modelId).catch((error: unknown) => logError(error, null)))
      return snapshot
    },
    peek: (modelId) => known.get(modelId) ?? null,
    async all() {
      if (!list || clock() - list.takenAt >= SNAPSHOT.freshMs) list = { snapshots: await read.all(), takenAt: clock() }
      return list.snapshots
    },
  }
}

/** A million tokens in, a million out, a million tensor bytes, and a thousand calls: an offer that gives one of them away must not crowd out honest ones. */
const PRICE = sql`${offers.inputPriceNanos} + ${offers.outputPriceNanos} + ${offers.bytesPriceNanos} + 1000 * ${offers.callPriceNanos}`

/** Nobody is asked over a link that is not there. */
const isReachable = or(ne(nodes.endpoint, LINK_ENDPOINT), isNotNull(nodes.linkUpAt))

function createReader(needs: SnapshotNeeds) {
  const db = drizzle(needs.db)
  // Left joins: a model without offers still is a model.
  const joined = () =>
    db
      .select({ models: UNPROBED, offers, nodes })
      .from(models)
      .leftJoin(offers, and(eq(offers.modelId, models.id), eq(offers.state, 'live')))
      .leftJoin(nodes, and(eq(nodes.id, offers.nodeId), inArray(nodes.state, ['probation', 'active']), isReachable))
  // What nobody may be served with is still found by its name, and stands in no list.
  const listed = () =>
    joined()
      .where(inArray(models.state, ['active', 'deprecated']))
      .orderBy(asc(models.id))
  type Row = Awaited<ReturnType<typeof joined>>[number]
  const toSnapshot = (rows: readonly Row[], share: number | undefined): ModelOffers | null => {
    const first = rows[0]
    if (!first) return null
    const now = needs.clock()
    const seen = rows.flatMap((row) => {
      if (!row.offers || !row.nodes) return []
      const offer = toOffer(row.offers, row.nodes, now)
      return [offer.nodeState === 'probation' && share !== undefined ? { ...offer, probationShare: share } : offer]
    })
    return { model: toUnprobedModel(first.models), offers: seen, takenAt: now }
  }
  return {
    one: async (modelId: ModelId): Promise<ModelOffers | null> => {
      const found = joined()
        .where(eq(models.id, modelId))
        .orderBy(isNull(nodes.id), asc(PRICE), asc(offers.nodeId))
        .limit(OFFERS_MAX)
      const [rows, share] = await Promise.all([orUnavailable(found), needs.probationShare?.()])
      return toSnapshot(rows, share)
    },
    all: async (): Promise<ModelOffers[]> => {
      const byModel = new Map<string, Row[]>()
      const [all, share] = await Promise.all([orUnavailable(listed().limit(LIST_ROWS_MAX)), needs.probationShare?.()])
      for (const row of all) byModel.set(row.models.id, [...(byModel.get(row.models.id) ?? []), row])
      return [...byModel.values()].flatMap((rows) => toSnapshot(rows, share) ?? [])
    },
  }
}

async function orUnavailable<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query
  } catch (cause) {
    throw new GatewayError('unavailable', { cause })
  }
}

/** Adds or renews; the oldest leaves when there are too many. */
function keep<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}

/** The promise's value, or undefined when it takes longer. */
async function firstOf<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), timeoutMs)))
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
