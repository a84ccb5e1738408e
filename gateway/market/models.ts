// Models as their authors publish them. One digest is one model and pays one author, so the first to publish a set of files keeps it; the name
// before the slash belongs to the first account that published under it. The digest is computed here and never taken from anyone, and a
// royalty never rises: nodes priced their offers by the one they saw.
import { and, asc, count, eq, gt, gte } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { authors, models } from '../../db/schema.ts'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import type { ModelManifest } from '../../protocol/model.ts'
import type { AccountId } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Model } from './market-port.ts'
import { requireSense } from './model-sense.ts'
import { toModel, toUnprobedModel, UNPROBED } from './rows.ts'

/** The house's own models. */
const HOUSE_HANDLE = 'souk'

export interface Publisher {
  readonly accountId: AccountId
  readonly isAdmin: boolean
}

export interface ModelBook {
  /** @throws GatewayError invalid_request, forbidden, conflict */
  publish(manifest: ModelManifest, publisher: Publisher): Promise<{ model: Model; isNew: boolean }>
  /** by id, from after `cursor`, without their probes */
  list(cursor: string | null): Promise<{ data: Model[]; nextCursor: string | null }>
}

/** sha256 hex of JCS({ files }): what a model is. */
export const digestOf = (manifest: ModelManifest): string => sha256Hex(jcs({ files: manifest.files }))

export function createModelBook(needs: { db: D1Database; clock: Clock }): ModelBook {
  const db = drizzle(needs.db)
  const byId = (id: string) => db.select().from(models).where(eq(models.id, id)).get()
  const byDigest = (digest: string) => db.select().from(models).where(eq(models.digest, digest)).get()

  const claimHandle = async (handle: string, publisher: Publisher) => {
    if (handle === HOUSE_HANDLE && !publisher.isAdmin)
      throw new GatewayError('forbidden', { param: 'id', detail: `The name "${HOUSE_HANDLE}" is the house's.` })
    const author = { handle, accountId: publisher.accountId, createdAt: needs.clock() }
    await db.insert(authors).values(author).onConflictDoNothing()
    const owner = await db.select().from(authors).where(eq(authors.handle, handle)).get()
    if (owner?.accountId !== publisher.accountId)
      throw new GatewayError('forbidden', { param: 'id', detail: `The name "${handle}" belongs to another account.` })
  }
  const requireRoom = async (publisher: Publisher) => {
    const published = db.select({ rows: count() }).from(models).where(eq(models.authorAccountId, publisher.accountId))
    if (((await published.get())?.rows ?? 0) >= LIMITS.modelsPerAuthor)
      throw new GatewayError('conflict', { detail: `An account publishes at most ${LIMITS.modelsPerAuthor} models.` })
  }
  return {
    async publish(manifest, publisher) {
      requireSense(manifest)
      const digest = digestOf(manifest)
      const [sameFiles, sameId] = await Promise.all([byDigest(digest), byId(manifest.id)])
      if (sameFiles && sameFiles.id !== manifest.id)
        throw new GatewayError('conflict', { param: 'files', detail: `These files are the model "${sameFiles.id}".` })
      if (sameId && sameId.digest !== digest)
        throw new GatewayError('conflict', {
          param: 'files',
          detail: 'This model has other files; publish a new name.',
        })
      if (sameId && sameId.task !== manifest.task)
        throw new GatewayError('conflict', { param: 'task', detail: 'The task of a model never changes.' })
      if (!sameId) await requireRoom(publisher)
      await claimHandle(manifest.id.split('/')[0] ?? '', publisher)
      if (sameId && sameId.royaltyBps < manifest.royaltyBps) throw royaltyRose(sameId.royaltyBps)
      const mutable = { royaltyBps: manifest.royaltyBps, manifest: JSON.stringify(manifest) }
      const row = {
        id: manifest.id,
        task: manifest.task,
        digest,
        authorAccountId: publisher.accountId,
        createdAt: needs.clock(),
        ...mutable,
      }
      const isNew = (await db.insert(models).values(row).onConflictDoNothing().returning()).length > 0
      if (!isNew)
        await db
          .update(models)
          .set(mutable)
          .where(
            and(eq(models.id, manifest.id), eq(models.digest, digest), gte(models.royaltyBps, manifest.royaltyBps)),
          )
      const stored = await byId(manifest.id)
      // Somebody published the same files under another name between the question and the insert.
      if (stored?.digest !== digest) throw new GatewayError('conflict', { param: 'files' })
      if (stored.royaltyBps < manifest.royaltyBps) throw royaltyRose(stored.royaltyBps)
      return { model: toModel(stored), isNew }
    },
    async list(cursor) {
      const rows = await db
        .select(UNPROBED)
        .from(models)
        .where(gt(models.id, cursor ?? ''))
        .orderBy(asc(models.id))
        .limit(LIMITS.pageRows + 1)
      const data = rows.slice(0, LIMITS.pageRows).map(toUnprobedModel)
      return { data, nextCursor: rows.length > data.length ? (data.at(-1)?.id ?? null) : null }
    },
  }
}

const royaltyRose = (bps: number) =>
  new GatewayError('conflict', {
    param: 'royaltyBps',
    detail: `The royalty of this model is ${bps} basis points; it may fall and never rise.`,
  })
