// The flow of changing members: what waits and is due is carried out first, then the rule judges by who they are now, then one batch writes. Whatever
// somebody else changed in between ends as `changed_meanwhile`, except for what is only due: that is tried again by whoever comes next.
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { MemberRole } from '../../protocol/auth.ts'
import type { AccountId, Instant } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import {
  accountsWithDue,
  askChange,
  changeMember,
  dropChange,
  readMembers,
  type Members,
  type PendingChange,
} from './member-book.ts'
import { judgeChange } from './member-change.ts'

export interface ChangeRequest {
  readonly accountId: AccountId
  /** wallet that asks */
  readonly by: string
  /** EIP-55, of whom */
  readonly address: string
  /** null: removes */
  readonly role: MemberRole | null
  /** null: whatever it is now */
  readonly version: number | null
  readonly now: Instant
}

/** As they are now: what is due has been carried out. */
export async function currentMembers(db: DrizzleD1Database, accountId: AccountId, now: Instant): Promise<Members> {
  for (;;) {
    const found = await readMembers(db, accountId)
    const due = found.pending
      .filter(({ effectiveAt }) => effectiveAt <= now)
      .sort((a, b) => a.effectiveAt - b.effectiveAt)[0]
    if (!due) return found
    await carryOut(db, accountId, found, due, now)
  }
}

/** @throws GatewayError not_found, forbidden, last_wallet, changed_meanwhile */
export async function requestChange(db: DrizzleD1Database, request: ChangeRequest): Promise<'changed' | 'waiting'> {
  const { accountId, by, address, role, now } = request
  const { version, members } = await currentMembers(db, accountId, now)
  const asks = members.find((member) => member.address === by)
  // Taken away between this request's first look and now.
  if (!asks) throw new GatewayError('not_signed_in')
  const of = members.find((member) => member.address === address)
  if (!of) throw new GatewayError('not_found', { detail: 'This wallet is no member of the account.' })
  const judged = judgeChange({ by: asks, of, to: role, owners: ownersOf(members) })
  if (!judged.ok)
    throw new GatewayError(
      judged.code,
      judged.code === 'last_wallet' ? { detail: 'The only owner stays one.' } : { detail: 'Ask an owner.' },
    )
  if (request.version !== null && request.version !== version) throw new GatewayError('changed_meanwhile')
  const update = { accountId, version, address, role, by, now }
  const write = judged.isDelayed ? askChange : changeMember
  if (!(await write(db, update))) throw new GatewayError('changed_meanwhile')
  return judged.isDelayed ? 'waiting' : 'changed'
}

/** Takes back what waits for `address`. @throws GatewayError forbidden, not_found, changed_meanwhile */
export async function takeBack(
  db: DrizzleD1Database,
  { accountId, by, address, version: seen, now }: Omit<ChangeRequest, 'role'>,
): Promise<void> {
  const { version, members, pending } = await currentMembers(db, accountId, now)
  if (members.find((member) => member.address === by)?.role !== 'owner')
    throw new GatewayError('forbidden', { detail: 'Ask an owner.' })
  if (seen !== null && seen !== version) throw new GatewayError('changed_meanwhile')
  const waiting = pending.find((change) => change.address === address)
  if (!waiting) throw new GatewayError('not_found', { detail: 'Nothing waits for this wallet.' })
  if (!(await dropChange(db, { accountId, version, address, role: waiting.role, by, now })))
    throw new GatewayError('changed_meanwhile')
}

/** The cron: carries out what is due, in a bounded number of accounts. */
export async function carryOutDue(db: DrizzleD1Database, now: Instant): Promise<void> {
  for (const accountId of await accountsWithDue(db, now)) await currentMembers(db, accountId, now)
}

/** Two owners may have asked for each other's removal: the later of both finds itself the only one, and stays. */
async function carryOut(
  db: DrizzleD1Database,
  accountId: AccountId,
  { version, members }: Members,
  { address, role, requestedBy: by }: PendingChange,
  now: Instant,
): Promise<void> {
  const of = members.find((member) => member.address === address)
  const update = { accountId, version, address, role, by, now }
  const isLastOwner = of?.role === 'owner' && role !== 'owner' && ownersOf(members) <= 1
  await (of && !isLastOwner ? changeMember(db, update) : dropChange(db, update, 'refused'))
}

const ownersOf = (members: Members['members']): number => members.filter(({ role }) => role === 'owner').length
