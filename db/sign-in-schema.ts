// Who may come in (registry, binding DB): members that change, invitations, nonces and sessions. Times are milliseconds since the Unix epoch; ids are text.
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** What makes or unmakes an owner, while it waits. The row ends with the change or with whoever takes it back; events keep the story. */
export const memberChanges = sqliteTable(
  'member_changes',
  {
    /** of the wallet it is about: one change at a time */
    address: text('address').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** MemberRole it will have; null: it will be removed */
    role: text('role'),
    /** wallet that asked for it */
    requestedBy: text('requested_by').notNull(),
    /** ms */
    requestedAt: integer('requested_at').notNull(),
    /** ms from which it holds */
    effectiveAt: integer('effective_at').notNull(),
  },
  (t) => [index('member_changes_account').on(t.accountId), index('member_changes_due').on(t.effectiveAt)],
)

/** A wallet that is to become a member. The row ends with its use, with whoever takes it back, or behind the next one when it has run out. */
export const invitations = sqliteTable(
  'invitations',
  {
    /** inv_… */
    id: text('id').primaryKey(),
    /** sha256 hex of the code; shown once when made */
    codeHash: text('code_hash').notNull(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** MemberRole */
    role: text('role').notNull(),
    note: text('note').notNull(),
    /** wallet that invites */
    createdBy: text('created_by').notNull(),
    /** ms */
    createdAt: integer('created_at').notNull(),
    /** ms */
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [uniqueIndex('invitations_code').on(t.codeHash), index('invitations_account').on(t.accountId)],
)

/** One row lives from `POST /auth/nonce` to its single use or its expiry. */
export const nonces = sqliteTable(
  'nonces',
  {
    /** base32, at least 80 bits */
    nonce: text('nonce').primaryKey(),
    /** sha256 hex of the pre-session cookie of the browser that asked; null without a cookie */
    presessionHash: text('presession_hash'),
    /** ms */
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('nonces_expiry').on(t.expiresAt)],
)

export const sessions = sqliteTable(
  'sessions',
  {
    /** sha256 hex of the opaque token; the token itself is never stored */
    tokenHash: text('token_hash').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** the wallet that signed in */
    address: text('address').notNull(),
    /** ms; also when the wallet last signed, for actions that ask for a fresh sign-in */
    createdAt: integer('created_at').notNull(),
    /** ms */
    expiresAt: integer('expires_at').notNull(),
    /** ms, null while valid */
    revokedAt: integer('revoked_at'),
  },
  (t) => [index('sessions_account').on(t.accountId), index('sessions_expiry').on(t.expiresAt)],
)
