// `/api/admin/parameters`: what the house has set, how it came to be, and changes. One change of a parameter waits at a time: who wants another one takes
// the first back, so that nothing is replaced unseen.
import { Hono } from 'hono'
import {
  PARAMETER_RULES,
  ParameterChange,
  ParameterName,
  ParameterTakeBack,
  type ParameterEntry,
  type ParameterHistory,
  type ParameterList,
  type ParameterView,
} from '../../protocol/parameters.ts'
import { base32, instant, type RandomBytes } from '../../protocol/units.ts'
import type { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import type { Parameters, ParameterValues } from '../core/parameters.ts'
import { requireAdmin, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { admin, freshAdmin } from './who.ts'
import { pageOf, readNumberCursor } from './pages.ts'
import { createParameterBook, type ParameterRow, type ParameterStanding } from './parameter-book.ts'

export interface ParameterRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly clock: Clock
  readonly random: RandomBytes
  readonly parameters: Pick<Parameters, 'forget'>
  /** what holds where nobody has set anything */
  readonly parameterDefaults: ParameterValues
}

/** Mounted at /api. */
export function createParameterRoutes({ db, clock, random, parameters, parameterDefaults }: ParameterRouteNeeds) {
  const book = createParameterBook(db)
  const fresh = freshAdmin(clock)
  const view = async (name: ParameterName) => viewOf(name, await book.standing(name, clock()), parameterDefaults[name])

  return new Hono<AppEnv>()
    .get('/admin/parameters', admin, async (c) => {
      const data = await Promise.all(ParameterName.options.map(view))
      return c.json({ data } satisfies z.infer<typeof ParameterList>)
    })

    .get('/admin/parameters/:name/history', admin, queryString(PageQuery), async (c) => {
      const name = nameOf(c.req.param('name'))
      const { cursor, limit = LIMITS.pageRows } = c.req.valid('query')
      const rows = await book.history(name, readNumberCursor(cursor), limit + 1)
      return c.json(pageOf(rows, limit, entryOf, ({ n }) => String(n)) satisfies z.infer<typeof ParameterHistory>)
    })

    .put('/admin/parameters/:name', fresh, jsonBody(ParameterChange), async (c) => {
      const name = nameOf(c.req.param('name'))
      const { value, reason, version } = c.req.valid('json')
      const { min, max, unit, lockMs } = PARAMETER_RULES[name]
      if (value < min || value > max)
        throw new GatewayError('invalid_request', { param: 'value', detail: `value: ${min} to ${max} ${unit}` })
      const now = clock()
      const standing = await book.standing(name, now)
      if (standing.version !== version) throw new GatewayError('changed_meanwhile')
      if (standing.pending)
        throw new GatewayError('conflict', { detail: 'A change of it waits: take that back first.' })
      const before = valueOf(standing, parameterDefaults[name])
      if (value === before) throw new GatewayError('invalid_request', { param: 'value', detail: 'It is that already.' })
      const by = requireAdmin(c).address
      const row = { id: `setting_${base32(random(10))}`, name, value, before, reason, by, at: now }
      if (!(await book.add({ ...row, effectiveAt: instant(now + lockMs) }, version)))
        throw new GatewayError('changed_meanwhile')
      parameters.forget()
      return c.json(await view(name))
    })

    .delete('/admin/parameters/:name/pending', fresh, queryString(ParameterTakeBack), async (c) => {
      const name = nameOf(c.req.param('name'))
      const { id } = c.req.valid('query')
      const isTaken = await book.withdraw(name, clock(), id)
      if (!isTaken && id !== undefined) throw new GatewayError('changed_meanwhile')
      if (!isTaken) throw new GatewayError('not_found', { detail: 'No change of it waits.' })
      parameters.forget()
      return c.json(await view(name))
    })
}

/** @throws GatewayError not_found */
function nameOf(text: string): ParameterName {
  const name = ParameterName.safeParse(text)
  if (!name.success) throw new GatewayError('not_found', { detail: 'There is no such parameter.' })
  return name.data
}

const valueOf = ({ inForce }: ParameterStanding, standard: number): number => inForce?.value ?? standard

const viewOf = (name: ParameterName, standing: ParameterStanding, standard: number): ParameterView => ({
  name,
  ...PARAMETER_RULES[name],
  value: valueOf(standing, standard),
  isDefault: standing.inForce === null,
  version: standing.version,
  pending: standing.pending && pendingOf(standing.pending),
})

const pendingOf = ({ id, value, reason, by, effectiveAt }: ParameterRow) => ({
  id,
  value,
  reason,
  by,
  effectiveAt: new Date(effectiveAt).toISOString(),
})

const entryOf = ({ id, value, before, reason, by, at, effectiveAt, withdrawnAt }: ParameterRow) =>
  ({
    id,
    value,
    before,
    reason,
    by,
    at: new Date(at).toISOString(),
    effectiveAt: new Date(effectiveAt).toISOString(),
    withdrawnAt: withdrawnAt === null ? null : new Date(withdrawnAt).toISOString(),
  }) satisfies z.infer<typeof ParameterEntry>
