// What the house has set, as it holds now: the configured values until somebody sets another (protocol/parameters.ts; changes are gateway/admin's). Every
// isolate keeps them and reads them anew behind a call, so that no call waits for them once warm. A change that waits is read long before it holds, and
// holds at its very millisecond.
import { z } from 'zod'
import { PARAMETER_RULES, type ParameterName } from '../../protocol/parameters.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from './clock.ts'
import type { Config } from './env.ts'
import { GatewayError, logError } from './errors.ts'
import { PARAMETER_DEFAULTS, PARAMETERS_FRESH } from './limits.ts'

export type ParameterValues = Readonly<Record<ParameterName, number>>

/** For who has nothing that outlives it to give the reading to: it logs its own failure, and one that is cut off is begun again by the next. */
export const unawaited = (work: Promise<unknown>): void => void work

export interface Parameters {
  /** Fresh for half a minute; then the caller who finds them old has them read behind itself. Waited for only when nothing was read yet, or minutes ago. */
  now(background: (work: Promise<unknown>) => void): Promise<ParameterValues>
  /** Without waiting, for who may be a moment late: what was read last, or the configured values. */
  last(): ParameterValues
  /** Somebody has just changed one here: the next caller waits for it. */
  forget(): void
}

/** One that is in force or waits. */
export const SetValue = z.object({
  name: z.string(),
  n: z.number().int(),
  value: z.number().int(),
  effectiveAt: z.number(),
})
export type SetValue = z.infer<typeof SetValue>

export const defaultsOf = ({ feeBps, auditBps }: Pick<Config, 'feeBps' | 'auditBps'>): ParameterValues => ({
  ...PARAMETER_DEFAULTS,
  feeBps,
  auditBps,
})

/** Of each parameter, the last one set that holds by now; where none does, its default. */
export function valuesAt(defaults: ParameterValues, set: readonly SetValue[], now: Instant): ParameterValues {
  const values: Record<ParameterName, number> = { ...defaults }
  for (const { name, value, effectiveAt } of [...set].sort((a, b) => a.n - b.n))
    if (isParameter(name) && effectiveAt <= now) values[name] = value
  return values
}

const isParameter = (name: string): name is ParameterName => Object.hasOwn(PARAMETER_RULES, name)

export function createParameters(needs: {
  readonly db: D1Database
  readonly clock: Clock
  readonly defaults: ParameterValues
}): Parameters {
  const { db, clock, defaults } = needs
  let known: { readonly set: readonly SetValue[]; readonly readAt: Instant } | null = null
  /** when a reading began; one that ran longer is taken for lost with the request that began it */
  let readingSince: Instant | null = null

  const read = async () => {
    const since = clock()
    readingSince = since
    try {
      const set = await readSet(db)
      known = { set, readAt: since }
      return set
    } catch (cause) {
      throw new GatewayError('unavailable', { cause })
    } finally {
      if (readingSince === since) readingSince = null
    }
  }
  const values = (set: readonly SetValue[]) => valuesAt(defaults, set, clock())
  return {
    async now(background) {
      if (!known) return values(await read())
      const ageMs = clock() - known.readAt
      if (ageMs >= PARAMETERS_FRESH.staleMs) return values(await read())
      const isReading = readingSince !== null && clock() - readingSince < PARAMETERS_FRESH.sharedMs
      if (ageMs >= PARAMETERS_FRESH.freshMs && !isReading)
        background(read().catch((error: unknown) => logError(error, null)))
      return values(known.set)
    },
    last: () => values(known?.set ?? []),
    forget: () => {
      known = null
    },
  }
}

/** Of each the last two that were not taken back: one may wait, the other holds. */
const LAST_SET = `
  SELECT e.name AS name, e.n AS n, e.value AS value, e.effective_at AS effectiveAt
  FROM json_each(?1) AS names JOIN parameter_entries AS e ON e.name = names.value
  WHERE e.n IN (
    SELECT n FROM parameter_entries WHERE name = names.value AND withdrawn_at IS NULL ORDER BY n DESC LIMIT 2)`

async function readSet(db: D1Database): Promise<SetValue[]> {
  const { results } = await db
    .prepare(LAST_SET)
    .bind(JSON.stringify(Object.keys(PARAMETER_RULES)))
    .all()
  return z.array(SetValue).parse(results)
}
