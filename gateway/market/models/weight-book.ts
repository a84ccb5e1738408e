// Whose weights are, in the registry: one row a file, with the model that brought it first. The hash is the key, so of two authors who publish one
// file at the same moment one fails.
import { eq, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { models, weightFiles } from '../../../db/schema.ts'

export interface WeightClaim {
  readonly sha256: string
  readonly modelId: string
  readonly authorAccountId: string
  readonly state: string
  readonly reason: string | null
}

/** Of any of these files, whatever they are called now. */
export const claimsOf = (db: DrizzleD1Database, hashes: readonly string[]): Promise<WeightClaim[]> =>
  db
    .select({
      sha256: weightFiles.sha256,
      modelId: models.id,
      authorAccountId: models.authorAccountId,
      state: models.state,
      reason: models.stateReason,
    })
    .from(weightFiles)
    .innerJoin(models, eq(models.id, weightFiles.modelId))
    // One bound parameter, however long the list: D1 binds at most 100.
    .where(sql`${weightFiles.sha256} IN (SELECT value FROM json_each(${JSON.stringify(hashes)}))`)

/** Statements for the batch that publishes: the batch fails when somebody has one of them meanwhile. */
export const claim = (db: DrizzleD1Database, modelId: string, hashes: readonly string[]) =>
  hashes.map((sha256) => db.insert(weightFiles).values({ sha256, modelId }))
