// Models as their authors publish them. One digest is one model and pays one author, so the first to publish a set of files keeps it, and each of
// its weights under whatever name they come again; the name before the slash belongs to the first account that published under it. The digest is
// computed here and never taken from anyone, and a royalty never rises: nodes priced their offers by the one they saw.
import { and, asc, count, eq, gt, gte } from 'drizzle-orm'
import { drizzle, type DrizzleD1Database } from 'drizzle-orm/d1'
import { authors, models, wallets } from '../../../db/schema.ts'
import type { ModelManifest } from '../../../protocol/model.ts'
import { modelDigest } from '../../../protocol/publish.ts'
import type { AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Model } from '../market-port.ts'
import { requireSense } from './model-sense.ts'
import { toModel, toUnprobedModel, UNPROBED } from '../rows.ts'
import { claim, claimsOf, type WeightClaim } from './weight-book.ts'
import { weightsOf } from './weights.ts'

/** The house's own models. */
const HOUSE_HANDLE = 'souk'

export interface Publisher {
  readonly accountId: AccountId
  readonly isAdmin: boolean
  /** checksummed: the wallet that signed the manifest */
  readonly address: string
  /** that signature */
  readonly signature: string
}

export interface ModelBook {
  /** @throws GatewayError invalid_request, forbidden, conflict, model_blocked */
  publish(manifest: ModelManifest, publisher: Publisher): Promise<{ model: Model; isNew: boolean }>
  /** without its probes */
  find(id: string): Promise<Model | null>
  /** by id, from after `cursor`, without their probes; null: of every author */
  list(cursor: string | null, author: string | null): Promise<{ data: Model[]; nextCursor: string | null }>
}

export function createModelBook(needs: { db: D1Database; clock: Clock }): ModelBook {
  const db = drizzle(needs.db)
  const publish = createPublish(db, needs.clock)
  return {
    publish,
    async find(id) {
      const row = await db.select(UNPROBED).from(models).where(eq(models.id, id)).get()
      return row ? toUnprobedModel(row) : null
    },
    async list(cursor, author) {
      const rows = await db
        .select(UNPROBED)
        .from(models)
        .where(and(gt(models.id, cursor ?? ''), author === null ? undefined : eq(models.authorAccountId, author)))
        .orderBy(asc(models.id))
        .limit(LIMITS.pageRows + 1)
      const data = rows.slice(0, LIMITS.pageRows).map(toUnprobedModel)
      return { data, nextCursor: rows.length > data.length ? (data.at(-1)?.id ?? null) : null }
    },
  }
}

function createPublish(db: DrizzleD1Database, clock: Clock): ModelBook['publish'] {
  const byId = (id: string) => db.select().from(models).where(eq(models.id, id)).get()
  const byDigest = (digest: string) => db.select().from(models).where(eq(models.digest, digest)).get()
  return async (manifest, publisher) => {
    requireSense(manifest)
    const handle = manifest.id.split('/')[0] ?? ''
    await requireHandle(db, handle, publisher)
    const digest = modelDigest(manifest)
    const [sameFiles, sameId, claims] = await Promise.all([
      byDigest(digest),
      byId(manifest.id),
      claimsOf(db, Object.values(manifest.files)),
    ])
    if (sameFiles?.state === 'blocked') throw blocked(sameFiles.id, sameFiles.stateReason)
    if (sameFiles && sameFiles.id !== manifest.id)
      throw new GatewayError('conflict', { param: FILES, detail: `These files are the model "${sameFiles.id}".` })
    if (sameId && sameId.digest !== digest)
      throw new GatewayError('conflict', { param: FILES, detail: 'This model has other files; publish a new name.' })
    if (sameId && sameId.task !== manifest.task)
      throw new GatewayError('conflict', { param: 'manifest.task', detail: 'The task of a model never changes.' })
    requireOwnWeights(manifest, claims, publisher)
    await requireWallet(db, publisher)
    if (!sameId) await requireRoom(db, publisher)
    await claimHandle(db, handle, publisher, clock)
    if (sameId && sameId.royaltyBps < manifest.royaltyBps) throw royaltyRose(sameId.royaltyBps)
    return save(db, manifest, publisher, claims, clock)
  }
}

/** @param claims those of its files that are its author's already */
async function save(
  db: DrizzleD1Database,
  manifest: ModelManifest,
  publisher: Publisher,
  claims: readonly WeightClaim[],
  clock: Clock,
): Promise<{ model: Model; isNew: boolean }> {
  const { id, task, royaltyBps } = manifest
  const digest = modelDigest(manifest)
  const signed = { publishedBy: publisher.address, signature: publisher.signature }
  const mutable = { royaltyBps, manifest: JSON.stringify(manifest), ...signed }
  const row = { id, task, digest, authorAccountId: publisher.accountId, createdAt: clock(), ...mutable }
  const known = new Set(claims.map(({ sha256 }) => sha256))
  const unclaimed = [...weightsOf(manifest)].filter((sha256) => !known.has(sha256))
  const insert = db.insert(models).values(row).onConflictDoNothing().returning()
  const [inserted] = await db.batch([insert, ...claim(db, id, unclaimed)]).catch(async (cause: unknown) => {
    // Somebody has published one of the files between the question and the batch, of which nothing is there then.
    const later = await claimsOf(db, unclaimed)
    requireOwnWeights(manifest, later, publisher)
    throw later.length > 0 ? new GatewayError('conflict', { detail: 'It is being published now.', cause }) : cause
  })
  const isNew = inserted.length > 0
  if (!isNew)
    await db
      .update(models)
      .set(mutable)
      .where(and(eq(models.id, id), eq(models.digest, digest), gte(models.royaltyBps, royaltyBps)))
  const stored = await db.select().from(models).where(eq(models.id, id)).get()
  // Somebody published the same files under another name between the question and the insert.
  if (stored?.digest !== digest) throw new GatewayError('conflict', { param: FILES })
  if (stored.royaltyBps < royaltyBps) throw royaltyRose(stored.royaltyBps)
  return { model: toModel(stored), isNew }
}

const FILES = 'manifest.files'

/** The digest covers names too, so that a renamed or an added file makes another digest: of the weights, the bytes decide. */
function requireOwnWeights(manifest: ModelManifest, claims: readonly WeightClaim[], publisher: Publisher): void {
  for (const { sha256, modelId, authorAccountId, state, reason } of claims) {
    if (state === 'blocked') throw blocked(modelId, reason)
    if (authorAccountId === publisher.accountId) continue
    const name = Object.entries(manifest.files).find(([, hash]) => hash === sha256)?.[0] ?? ''
    throw new GatewayError('conflict', {
      param: `${FILES}.${name}`,
      detail: `"${name}" is a file of the model "${modelId}", whose author published it first.`,
    })
  }
}

async function requireWallet(db: DrizzleD1Database, { accountId, address }: Publisher): Promise<void> {
  const owner = and(eq(wallets.address, address), eq(wallets.accountId, accountId))
  if ((await db.select().from(wallets).where(owner).get()) === undefined)
    throw new GatewayError('forbidden', {
      param: 'author',
      detail: 'The author address is not a wallet of this account.',
    })
}

async function requireRoom(db: DrizzleD1Database, { accountId }: Publisher): Promise<void> {
  const published = db.select({ rows: count() }).from(models).where(eq(models.authorAccountId, accountId))
  if (((await published.get())?.rows ?? 0) >= LIMITS.modelsPerAuthor)
    throw new GatewayError('conflict', { detail: `An account publishes at most ${LIMITS.modelsPerAuthor} models.` })
}

/** The first account that published under a handle has it. */
async function requireHandle(db: DrizzleD1Database, handle: string, publisher: Publisher): Promise<void> {
  const refused = (detail: string) => new GatewayError('forbidden', { param: 'manifest.id', detail })
  if (handle === HOUSE_HANDLE && !publisher.isAdmin) throw refused(`The name "${HOUSE_HANDLE}" is the house's.`)
  const owner = await db.select().from(authors).where(eq(authors.handle, handle)).get()
  if (owner && owner.accountId !== publisher.accountId)
    throw refused(`The name "${handle}" belongs to another account.`)
}

async function claimHandle(db: DrizzleD1Database, handle: string, publisher: Publisher, clock: Clock): Promise<void> {
  await db.insert(authors).values({ handle, accountId: publisher.accountId, createdAt: clock() }).onConflictDoNothing()
  // Of two who came at the same moment one has it.
  await requireHandle(db, handle, publisher)
}

const royaltyRose = (bps: number) =>
  new GatewayError('conflict', {
    param: 'manifest.royaltyBps',
    detail: `The royalty of this model is ${bps} basis points; it may fall and never rise.`,
  })

const blocked = (id: string, reason: string | null) =>
  new GatewayError('model_blocked', {
    param: FILES,
    detail: `Its files are those of "${id}". ${reason ?? ''}`.trimEnd(),
  })
