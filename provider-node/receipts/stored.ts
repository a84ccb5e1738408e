// What stands in the files of the receipt store. A receipt may stand in two files after a crash, and an acknowledgement in a newer one than either:
// a receipt waits when it stands anywhere and is acknowledged nowhere.
import { z } from 'zod'

/** A receipt with the ticket it is for: what is handed in. */
export const Kept = z.object({
  t: z.literal('kept'),
  jti: z.string(),
  /** ms since the Unix epoch, by this machine's clock */
  at: z.number(),
  /** compact JWS, both */
  ticket: z.string(),
  receipt: z.string(),
})
export type Kept = z.infer<typeof Kept>

/** The gateway has answered for these, whatever it said. */
const Done = z.object({ t: z.literal('done'), jtis: z.array(z.string()) })

/** In files of their own: receipts that the gateway refused for good. */
const Rejected = Kept.extend({ t: z.literal('rejected'), code: z.string(), rejectedAt: z.number() })
export type Rejected = z.infer<typeof Rejected>

const Stored = z.discriminatedUnion('t', [Kept, Done, Rejected])
export type Stored = z.infer<typeof Stored>

/** Null: a whole record of a kind this program does not know; a newer one may have written it. */
export const storedOf = (value: unknown): Stored | null => Stored.safeParse(value).data ?? null
