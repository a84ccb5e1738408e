// Quotas in the registry: the counts that the rule judges, and the statement that holds the same line inside the batch of a registration, so
// that of two at the same moment only one passes. Who is over makes the whole batch fail: SQL here cannot raise, but text that is no JSON can.
import { and, eq, isNull, ne, or, sql, type SQL } from 'drizzle-orm'
import type { drizzle } from 'drizzle-orm/d1'
import { nodes } from '../../../db/schema.ts'
import { instant, type Instant } from '../../../protocol/units.ts'
import { HOUR_MS, hostPrefix, type Entry, type EntryLimits, type NodeCounts } from './quota.ts'

type Database = ReturnType<typeof drizzle>

/** The node that wants in. */
export interface Entrant {
  readonly id: string
  readonly operatorAccountId: string
  /** the wallet that authorised it */
  readonly operatorAddress: string
  readonly endpoint: string
}

export async function countsFor(db: Database, node: Entrant, now: Instant): Promise<NodeCounts> {
  const { owned, newInHour, pending, atHost } = questions(node, now)
  const first = sql`SELECT min(${nodes.createdAt}) FROM ${nodes} WHERE ${isNewOf(node, now)}`
  const [{ firstAt, ...counts }, suspended] = await Promise.all([
    db.get<Record<'owned' | 'newInHour' | 'pending' | 'atHost', number> & { firstAt: number | null }>(
      sql`SELECT (${owned}) AS owned, (${newInHour}) AS newInHour, (${first}) AS firstAt, (${pending}) AS pending, (${atHost}) AS atHost`,
    ),
    db.select({ name: nodes.name, reason: nodes.reason }).from(nodes).where(isSuspendedOf(node)).get(),
  ])
  return { ...counts, firstOfHour: firstAt === null ? null : instant(firstAt), suspended: suspended ?? null }
}

/** Fails the batch it stands in, first, when this node is over a quota. */
export function refuseOver(db: Database, entry: Entry, node: Entrant, limits: EntryLimits, now: Instant) {
  const { owned, newInHour, pending, atHost } = questions(node, now)
  const isOver: SQL[] = [sql`(${atHost}) >= ${limits.perHost}`]
  if (entry !== 'moved')
    isOver.push(
      sql`EXISTS (SELECT 1 FROM ${nodes} WHERE ${isSuspendedOf(node)})`,
      sql`(${owned}) >= ${limits.owned}`,
      sql`(${pending}) >= ${limits.pending}`,
    )
  if (entry === 'new') isOver.push(sql`(${newInHour}) >= ${limits.perHour}`)
  return db
    .select({ raised: sql`CASE WHEN ${sql.join(isOver, sql` OR `)} THEN json('over a quota') END` })
    .from(sql`(SELECT 1)`)
}

function questions(node: Entrant, now: Instant) {
  const isOwn = and(eq(nodes.operatorAccountId, node.operatorAccountId), ne(nodes.id, node.id))
  const isHere = ne(nodes.state, 'revoked')
  const countOf = (where: SQL | undefined) => sql`SELECT count(*) FROM ${nodes} WHERE ${where}`
  return {
    owned: countOf(and(isOwn, isHere)),
    newInHour: countOf(isNewOf(node, now)),
    pending: countOf(and(isOwn, isWaiting)),
    atHost: countOf(and(isAtHost(node.endpoint), isHere, ne(nodes.id, node.id), weighs(node.operatorAccountId, now))),
  }
}

/** An operator is its account, and its wallet under whatever account. */
const isSuspendedOf = ({ id, operatorAccountId, operatorAddress }: Entrant): SQL =>
  sql`${nodes.state} = 'suspended' AND ${nodes.id} <> ${id} AND (${nodes.operatorAccountId} = ${operatorAccountId} OR ${nodes.operatorAddress} = ${operatorAddress})`

/** One that drains waits as well, until it has proved its endpoint: it may come back at any moment. */
const isWaiting = or(eq(nodes.state, 'pending'), and(eq(nodes.state, 'draining'), isNull(nodes.provedAt)))

const isNewOf = ({ id, operatorAccountId }: Entrant, now: Instant): SQL =>
  sql`${nodes.operatorAccountId} = ${operatorAccountId} AND ${nodes.id} <> ${id} AND ${nodes.createdAt} > ${now - HOUR_MS}`

/** A stranger's node that has not proved its endpoint is forgotten after an hour: it may not have the right to that name. */
const weighs = (operator: string, now: Instant): SQL =>
  sql`(${nodes.provedAt} IS NOT NULL OR ${nodes.operatorAccountId} = ${operator} OR ${nodes.createdAt} > ${now - HOUR_MS})`

/** By the index on endpoints: `;` is what follows the last of `/` (a path) and `:` (a port). */
function isAtHost(endpoint: string): SQL {
  const prefix = hostPrefix(endpoint)
  if (prefix === null) return sql`0`
  const isBounded = sql`substr(${nodes.endpoint}, ${prefix.length + 1}, 1) IN ('', '/', ':')`
  return sql`${nodes.endpoint} >= ${prefix} AND ${nodes.endpoint} < ${`${prefix};`} AND ${isBounded}`
}
