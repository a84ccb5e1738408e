// Sign-in (EIP-4361), accounts and API keys, as they cross the wire. Amounts are decimal dollars, times are ISO 8601 in UTC.
import { z } from 'zod'

export const Address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an EVM address')
export const Signature = z.string().regex(/^0x[0-9a-fA-F]{2,8192}$/, 'a 0x-hex signature')
export const Usd = z.string().regex(/^\d{1,6}(\.\d{1,9})?$/, 'decimal dollars with at most nine places')
export const Timestamp = z.iso.datetime()

/** `POST /auth/nonce`: what the sign-in message must contain. Valid once, until `expirationTime`. */
export const NonceReply = z.object({
  nonce: z.string(),
  domain: z.string(),
  uri: z.string(),
  chainId: z.number().int(),
  statement: z.string(),
  issuedAt: Timestamp,
  expirationTime: Timestamp,
})
export type NonceReply = z.infer<typeof NonceReply>

export const VerifyRequest = z.strictObject({ message: z.string().min(1).max(4096), signature: Signature })
export type VerifyRequest = z.infer<typeof VerifyRequest>

export const Role = z.enum(['consumer', 'operator', 'author', 'admin'])
export type Role = z.infer<typeof Role>

export const VerifyReply = z.object({
  token: z.string(),
  accountId: z.string(),
  address: Address,
  roles: z.array(Role),
  expiresAt: Timestamp,
})
export type VerifyReply = z.infer<typeof VerifyReply>

export const AccountView = z.object({
  accountId: z.string(),
  wallets: z.array(z.object({ address: Address, addedAt: Timestamp })),
  roles: z.array(Role),
  /** What can be spent: earnings that arrived included, open holds taken off. */
  balance: z.string(),
  held: z.string(),
  createdAt: Timestamp,
})
export type AccountView = z.infer<typeof AccountView>

export const Scope = z.enum(['inference', 'manage'])
export type Scope = z.infer<typeof Scope>
export const BudgetPeriod = z.enum(['day', 'week', 'month', 'total'])
export type BudgetPeriod = z.infer<typeof BudgetPeriod>

/** `POST /api/keys`. Absent limits are no limits; the balance always holds. */
export const CreateKeyRequest = z.strictObject({
  name: z.string().trim().min(1).max(80),
  scopes: z.array(Scope).min(1).max(2).default(['inference']),
  models: z.array(z.string().max(160)).min(1).max(100).optional(),
  limit: z.strictObject({ usd: Usd, period: BudgetPeriod.default('total') }).optional(),
  rateLimit: z
    .strictObject({
      /** calls a minute */
      rpm: z.number().int().min(1).max(1_000_000).optional(),
      /** tokens a minute, counted at the highest a call can use */
      tpm: z.number().int().min(1).max(1_000_000_000).optional(),
      /** calls at the same time */
      concurrency: z.number().int().min(1).max(10_000).optional(),
    })
    .optional(),
  expiresAt: Timestamp.optional(),
})
export type CreateKeyRequest = z.infer<typeof CreateKeyRequest>

export const KeyView = z.object({
  id: z.string(),
  name: z.string(),
  /** Enough to recognise it, too little to use it. */
  hint: z.string(),
  scopes: z.array(Scope),
  models: z.array(z.string()).nullable(),
  limit: z
    .object({
      usd: z.string(),
      period: BudgetPeriod,
      spent: z.string(),
      held: z.string(),
      resetsAt: Timestamp.nullable(),
    })
    .nullable(),
  rateLimit: z.object({ rpm: z.number().nullable(), tpm: z.number().nullable(), concurrency: z.number().nullable() }),
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
})
export type KeyView = z.infer<typeof KeyView>

/** 201 of `POST /api/keys`: the only time the key itself is shown. */
export const CreatedKey = KeyView.extend({ key: z.string() })
export type CreatedKey = z.infer<typeof CreatedKey>

/** Every list: newest first; `nextCursor` goes back as `?cursor=`. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), nextCursor: z.string().nullable() })
