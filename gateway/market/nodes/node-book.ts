// Nodes and offers in the registry. Every change names the node's owner or the endpoint it was decided for in its condition, so that a
// decision about yesterday's endpoint never lands on today's.
import { and, asc, eq, gt, inArray, isNotNull, isNull, lte, ne, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, nodes, offers, wallets } from '../../../db/schema.ts'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { NodeState } from '../../../protocol/node.ts'
import { instant, type AccountId, type Instant, type NodeId } from '../../../protocol/units.ts'
import { LIMITS, ROTATION_PROOF_MS } from '../../core/limits.ts'
import { REASON, type Admission } from '../admission/admission.ts'
import { createNodeKeyBook, hasKeySince, keyOfRegistration } from './node-key-book.ts'
import { pauseBlocked } from '../offers/model-rule-book.ts'
import { isAmong, pauseOthers, saveOffer } from '../offers/offer-book.ts'
import { countsFor, refuseOver, type Entrant } from './quota-book.ts'
import type { Entry, EntryLimits } from './quota.ts'
import { asNodeId, type ModelRow, type NodeRow, type OfferRow } from '../rows.ts'

/** A node with its offers, and of their models what a view needs. */
export interface NodeSummary {
  readonly node: NodeRow
  readonly offers: readonly { readonly offer: OfferRow; readonly model: Pick<ModelRow, 'digest'> }[]
}

/** A node with its offers and their models. */
export interface NodeRecord extends NodeSummary {
  readonly offers: readonly { readonly offer: OfferRow; readonly model: ModelRow }[]
}

export type NodeBook = ReturnType<typeof createNodeBook>

export function createNodeBook(database: D1Database) {
  const db = drizzle(database)
  return { ...reads(db), ...registrations(db), ...decisions(db), keys: createNodeKeyBook(database) }
}

type Database = ReturnType<typeof drizzle>

function reads(db: Database) {
  const find = async (nodeId: NodeId): Promise<NodeRecord | null> => {
    const node = await db.select().from(nodes).where(eq(nodes.id, nodeId)).get()
    if (!node) return null
    const made = db
      .select({ offer: offers, model: models })
      .from(offers)
      .innerJoin(models, eq(models.id, offers.modelId))
      .where(eq(offers.nodeId, node.id))
      .orderBy(asc(offers.modelId))
    return { node, offers: await made }
  }

  return {
    find,

    findByKey: (nodeKey: string) => db.select().from(nodes).where(eq(nodes.nodeKey, nodeKey)).get(),

    async page(
      operator: AccountId,
      cursor: string | null,
      limit: number = LIMITS.pageRows,
    ): Promise<{ data: NodeSummary[]; nextCursor: string | null }> {
      const rows = await db
        .select()
        .from(nodes)
        .where(and(eq(nodes.operatorAccountId, operator), gt(nodes.id, cursor ?? '')))
        .orderBy(asc(nodes.id))
        .limit(limit + 1)
      const shown = rows.slice(0, limit)
      const all = await db
        .select({ offer: offers, model: { digest: models.digest } })
        .from(offers)
        .innerJoin(models, eq(models.id, offers.modelId))
        .where(
          isAmong(
            offers.nodeId,
            shown.map(({ id }) => id),
          ),
        )
        .orderBy(asc(offers.modelId))
      const data = shown.map((node) => ({ node, offers: all.filter(({ offer }) => offer.nodeId === node.id) }))
      return { data, nextCursor: rows.length > shown.length ? (shown.at(-1)?.id ?? null) : null }
    },

    /** Nodes with something to prove or to probe, in random order: a crowd of dead ones must not starve a live one. One whose link is away is not asked. */
    async waiting(rows: number, now: Instant): Promise<NodeId[]> {
      const isReachable = or(ne(nodes.endpoint, LINK_ENDPOINT), isNotNull(nodes.linkUpAt))
      const isServing = inArray(nodes.state, ['probation', 'active'])
      const isRotated = hasKeySince(instant(now - ROTATION_PROOF_MS))
      const hasPending = sql`EXISTS (SELECT 1 FROM ${offers} WHERE ${offers.nodeId} = ${nodes.id} AND ${offers.state} = 'pending')`
      const found = await db
        .select({ id: nodes.id })
        .from(nodes)
        .where(
          and(
            isReachable,
            or(eq(nodes.state, 'pending'), and(isServing, or(hasPending, and(isNull(nodes.provedAt), isRotated)))),
          ),
        )
        .orderBy(sql`random()`)
        .limit(rows)
      return found.map(({ id }) => asNodeId(id))
    },
  }
}

/** What a registration needs to know and writes. */
function registrations(db: Database) {
  return {
    async hasWallet(account: AccountId, address: string): Promise<boolean> {
      const owner = and(eq(wallets.address, address), eq(wallets.accountId, account))
      return (await db.select().from(wallets).where(owner).get()) !== undefined
    },

    modelsById: (ids: readonly string[]) => db.select().from(models).where(isAmong(models.id, ids)),

    counts: (node: Entrant, now: Instant) => countsFor(db, node, now),

    /**
     * A registration in one batch: the node, its key, its offers and their prices, and a pause for offers that are no longer made.
     * @param entry how it comes in; null: it is there already @throws what D1 throws, also when it is over a quota or its key is not its own
     */
    async save(
      node: NodeRow,
      made: readonly OfferRow[],
      { entry, limits }: { readonly entry: Entry | null; readonly limits: EntryLimits },
      now: Instant,
    ): Promise<void> {
      const { id: _id, nodeKey: _nodeKey, operatorAccountId: _owner, createdAt: _createdAt, ...mutable } = node
      // Stopped since it was read: the person or audit that did it has the last word.
      const isStopped =
        entry === 'back'
          ? sql`${nodes.state} IN ('draining', 'suspended')`
          : sql`${nodes.state} IN ('draining', 'suspended', 'revoked')`
      const saveNode = db
        .insert(nodes)
        .values(node)
        .onConflictDoUpdate({
          target: nodes.id,
          set: {
            ...mutable,
            state: sql<NodeState>`CASE WHEN ${isStopped} THEN ${nodes.state} ELSE excluded.state END`,
            reason: sql<string>`CASE WHEN ${isStopped} THEN ${nodes.reason} ELSE excluded.reason END`,
          },
        })
      const saveOffers = made.flatMap((offer) => saveOffer(db, offer, {}, now))
      const pause = pauseOthers(db, node.id, made, REASON.withdrawn, now)
      const block = pauseBlocked(db, eq(offers.nodeId, node.id), now)
      const refusals = entry === null ? [] : [refuseOver(db, entry, node, limits, now)]
      await db.batch([...keyOfRegistration(db, node, now), ...refusals, saveNode, pause, ...saveOffers, block])
    },
  }
}

/** What proofs, probes and operators decide. */
function decisions(db: Database) {
  return {
    /** The proof is of this endpoint by this key: one that was exchanged meanwhile proves nothing. */
    async proved(before: NodeRow, wireVersion: number, now: Instant): Promise<void> {
      const { id, endpoint, nodeKey } = before
      const same = and(eq(nodes.id, id), eq(nodes.endpoint, endpoint), eq(nodes.nodeKey, nodeKey))
      await db.update(nodes).set({ provedAt: now, seenAt: now, wireVersion }).where(same)
    },

    /**
     * Takes the proof away: a node that serves goes back to pending, one that a person stopped stays stopped. Another review may have proved
     * the endpoint since `before` was read; that newer proof stands.
     */
    async unproved(before: NodeRow, reason: string): Promise<void> {
      const isStopped = sql`${nodes.state} IN ('draining', 'suspended', 'revoked')`
      const state = sql<NodeState>`CASE WHEN ${isStopped} THEN ${nodes.state} ELSE 'pending' END`
      const kept = sql<string>`CASE WHEN ${isStopped} THEN ${nodes.reason} ELSE ${reason} END`
      const isSameProof = sql`${nodes.provedAt} IS ${before.provedAt} AND ${nodes.nodeKey} = ${before.nodeKey}`
      const same = and(eq(nodes.id, before.id), eq(nodes.endpoint, before.endpoint), isSameProof)
      await db.update(nodes).set({ provedAt: null, state, reason: kept }).where(same)
    },

    /** Writes what the rule decided, unless the node has changed since it was read. */
    async admitted(before: NodeRow, admission: Admission, now: Instant): Promise<void> {
      const current = sql`EXISTS (SELECT 1 FROM ${nodes} WHERE ${nodes.id} = ${before.id} AND ${nodes.endpoint} = ${before.endpoint})`
      const saveNode = db
        .update(nodes)
        .set({ ...admission.node, seenAt: now })
        .where(and(eq(nodes.id, before.id), eq(nodes.endpoint, before.endpoint), eq(nodes.state, before.state)))
      const saveOffers = admission.offers.map(({ modelId, state, reason }) =>
        db
          .update(offers)
          .set({ state, reason, updatedAt: now })
          .where(and(eq(offers.nodeId, before.id), eq(offers.modelId, modelId), eq(offers.state, 'pending'), current)),
      )
      await db.batch([saveNode, ...saveOffers])
    },

    /** @returns false for a suspended one: to register it again would lift what an audit decided */
    async revoke(nodeId: NodeId): Promise<boolean> {
      const revoked = db
        .update(nodes)
        .set({ state: 'revoked', reason: REASON.revoked, provedAt: null })
        .where(and(eq(nodes.id, nodeId), ne(nodes.state, 'suspended')))
      return (await revoked.returning({ id: nodes.id })).length > 0
    },

    /** @returns false when it was seen within `apartMs` before: of hellos at the same moment one gets through */
    async saw(nodeId: NodeId, now: Instant, apartMs: number): Promise<boolean> {
      const isDue = or(isNull(nodes.seenAt), lte(nodes.seenAt, now - apartMs))
      const seen = db
        .update(nodes)
        .set({ seenAt: now })
        .where(and(eq(nodes.id, nodeId), isDue))
      return (await seen.returning({ id: nodes.id })).length > 0
    },
  }
}
