// The query of every list: `?cursor=&limit=`. A cursor is what the page before gave as `nextCursor`; what it means is the list's own matter.
import { z } from 'zod'
import { LIMITS } from './limits.ts'

export const PageQuery = z.object({
  cursor: z.string().min(1).max(200).optional(),
  /** rows; a query string, so a text until here */
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'a whole number')
    .transform(Number)
    .refine((rows) => rows <= LIMITS.pageRows, `at most ${LIMITS.pageRows}`)
    .optional(),
})
