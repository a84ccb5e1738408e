// `/api/account/sessions`: which browsers and programs are signed in, and ending one. An owner sees and ends everybody's, everybody else their own.
import { drizzle } from 'drizzle-orm/d1'
import { Hono } from 'hono'
import type { SessionView } from '../../protocol/members.ts'
import { GatewayError } from '../core/errors.ts'
import { requireSession, type AppEnv, type SessionPrincipal } from '../core/principal.ts'
import type { AuthNeeds } from './needs.ts'
import { listSessions, revokeSessionById, sessionIdOf } from './session-book.ts'

export function createSessionRoutes({ clock, ...needs }: AuthNeeds) {
  const db = drizzle(needs.db)
  /** null: everybody's */
  const whose = ({ member, address }: SessionPrincipal): string | null => (member === 'owner' ? null : address)

  return new Hono<AppEnv>()
    .get('/sessions', async (c) => {
      const principal = requireSession(c)
      const rows = await listSessions(db, principal.accountId, whose(principal), clock())
      const mine = sessionIdOf(principal.secret.bytes())
      const data: SessionView[] = rows.map(({ id, address, signedInAt, expiresAt }) => ({
        id,
        address,
        signedInAt: new Date(signedInAt).toISOString(),
        expiresAt: new Date(expiresAt).toISOString(),
        isThis: id === mine,
      }))
      return c.json({ data })
    })
    .delete('/sessions/:id', async (c) => {
      const principal = requireSession(c)
      const { accountId } = principal
      const session = { accountId, address: whose(principal), id: c.req.param('id'), now: clock() }
      if (!(await revokeSessionById(db, session)))
        throw new GatewayError('not_found', { detail: 'There is no such session.' })
      return c.body(null, 204)
    })
}
