// What calls of each model look like, in the registry: a bounded sample in which the newest take the places of random others. Written by the guards' alarms, read by the audits'
// cron; what does not parse is a shape of another version and is left out.
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { z } from 'zod'
import { callShapes } from '../../../db/market-schema.ts'
import type { Instant, ModelId, RandomBytes } from '../../../protocol/units.ts'
import type { CallShape } from '../market-port.ts'
import type { KeptShape } from './shape-store.ts'

/** shapes kept of one model */
export const SHAPES_MAX = 64

const Shape = z.object({
  path: z.string(),
  bodyBytes: z.number().int().min(0),
  parts: z.number().int().min(0),
  maxTokens: z.number().int().min(1).optional(),
  sampling: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
})

export function createShapeBook(database: D1Database) {
  const db = drizzle(database)
  return {
    async write(kept: readonly KeptShape[], random: RandomBytes, now: Instant): Promise<void> {
      const writes = kept.map(({ modelId, shape }) => {
        const slot = (random(1)[0] ?? 0) % SHAPES_MAX
        return db
          .insert(callShapes)
          .values({ modelId, slot, shape, at: now })
          .onConflictDoUpdate({ target: [callShapes.modelId, callShapes.slot], set: { shape, at: now } })
      })
      const [first, ...rest] = writes
      if (first !== undefined) await db.batch([first, ...rest])
    },

    async of(modelId: ModelId): Promise<CallShape[]> {
      const rows = await db.select({ shape: callShapes.shape }).from(callShapes).where(eq(callShapes.modelId, modelId))
      return rows.flatMap(({ shape }) => {
        const { data } = Shape.safeParse(JSON.parse(shape))
        if (!data) return []
        const { maxTokens, ...others } = data
        return [maxTokens === undefined ? others : { ...others, maxTokens }]
      })
    },
  }
}
