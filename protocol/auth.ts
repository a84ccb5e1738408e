// Sign-in (EIP-4361), accounts and API keys, as they cross the wire. Amounts are decimal dollars, times are ISO 8601 in UTC.
import { z } from 'zod'
import { isNodeId, USD_SENT } from './units.ts'

export const Address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an EVM address')
export const Signature = z.string().regex(/^0x[0-9a-fA-F]{2,8192}$/, 'a 0x-hex signature')
export const Usd = z.string().regex(USD_SENT, 'decimal dollars with at most nine places')
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

/** Of a wallet in its account (members.ts). */
export const MemberRole = z.enum(['owner', 'admin', 'member', 'billing'])
export type MemberRole = z.infer<typeof MemberRole>

export const VerifyReply = z.object({
  token: z.string(),
  accountId: z.string(),
  address: Address,
  roles: z.array(Role),
  expiresAt: Timestamp,
})
export type VerifyReply = z.infer<typeof VerifyReply>

export const Scope = z.enum(['inference', 'manage'])
export type Scope = z.infer<typeof Scope>
export const BudgetPeriod = z.enum(['day', 'week', 'month', 'total'])
export type BudgetPeriod = z.infer<typeof BudgetPeriod>

/** Of a key, or of a whole account: what is allowed, what counts against it now. `shadow`: it counts and refuses nothing. */
export const LimitsView = z.object({
  limit: z
    .object({
      usd: z.string(),
      period: BudgetPeriod,
      shadow: z.boolean(),
      spent: z.string(),
      held: z.string(),
      resetsAt: Timestamp.nullable(),
    })
    .nullable(),
  rateLimit: z.object({
    rpm: z.number().nullable(),
    tpm: z.number().nullable(),
    concurrency: z.number().nullable(),
    shadow: z.boolean(),
  }),
  /** set aside for open calls */
  held: z.string(),
  openCalls: z.number().int(),
  /** calls that a shadow would have refused */
  shadowRefused: z.number().int(),
  shadowRefusedAt: Timestamp.nullable(),
})
export type LimitsView = z.infer<typeof LimitsView>

/** Those of the whole account. */
export const AccountLimitsView = LimitsView.extend({
  /** counts up with every change: what a change is based on */
  version: z.number().int().default(0),
})
export type AccountLimitsView = z.infer<typeof AccountLimitsView>

/** Where an account's withdrawals go; how it is changed: operator.ts. */
export const PayoutAddressView = z.object({
  /** where withdrawals go now, and nowhere else; null: to the account's own wallets */
  address: Address.nullable(),
  /** asked for, and in force from `effectiveAt` on; until then any wallet of the account may take it back */
  pending: z.object({ address: Address, requestedAt: Timestamp, effectiveAt: Timestamp }).nullable(),
})
export type PayoutAddressView = z.infer<typeof PayoutAddressView>

export const AccountView = z.object({
  accountId: z.string(),
  wallets: z.array(z.object({ address: Address, addedAt: Timestamp })),
  roles: z.array(Role),
  /** What can be spent: earnings that arrived included, open holds and what has not vested taken off. */
  balance: z.string(),
  held: z.string(),
  /** earned, and spendable later */
  vesting: z.string(),
  limits: AccountLimitsView,
  /** why the account may spend nothing; null when it may */
  frozen: z.object({ reason: z.string(), at: Timestamp }).nullable(),
  /** absent: a gateway of before */
  payoutAddress: PayoutAddressView.optional(),
  /** who asks; absent: a key does, or a gateway of before answers */
  me: z.object({ address: Address, role: MemberRole }).optional(),
  createdAt: Timestamp,
})
export type AccountView = z.infer<typeof AccountView>

export const BudgetRequest = z.strictObject({
  usd: Usd,
  period: BudgetPeriod.default('total'),
  /** count what it would have refused, and refuse nothing */
  shadow: z.boolean().default(false),
})
export const RateRequest = z.strictObject({
  /** calls a minute */
  rpm: z.number().int().min(1).max(1_000_000).optional(),
  /** tokens a minute, counted at the highest a call can use */
  tpm: z.number().int().min(1).max(1_000_000_000).optional(),
  /** calls at the same time */
  concurrency: z.number().int().min(1).max(10_000).optional(),
  shadow: z.boolean().default(false),
})

/** `PUT /api/account/limits`: all of them at once; what is absent is unlimited. 409 `changed_meanwhile` when `version` is not the present one. */
export const AccountLimitsRequest = z.strictObject({
  limit: BudgetRequest.optional(),
  rateLimit: RateRequest.optional(),
  /** of the limits that this replaces; absent: whatever they are */
  version: z.number().int().optional(),
})
export type AccountLimitsRequest = z.infer<typeof AccountLimitsRequest>

/** `POST /api/account/revoke-all`: how many keys and sessions were good until now. None is afterwards, not even the one that asked. */
export const RevokedAll = z.object({ keys: z.number().int(), sessions: z.number().int() })
export type RevokedAll = z.infer<typeof RevokedAll>

/** `POST /api/keys/{id}/reroll`: for how long the old secret stays good; 0: not at all. The answer is a CreatedKey. */
export const RerollRequest = z.strictObject({
  graceSeconds: z
    .number()
    .int()
    .min(0)
    .max(7 * 86_400)
    .default(0),
  /** `hint` of the secret that is to be replaced: 409 `changed_meanwhile` when it has another one by now. Absent: whichever it has */
  hint: z.string().max(80).optional(),
})
export type RerollRequest = z.infer<typeof RerollRequest>

/** `POST /api/keys`. Absent limits are no limits; the balance always holds. */
export const CreateKeyRequest = z.strictObject({
  name: z.string().trim().min(1).max(80),
  scopes: z.array(Scope).min(1).max(2).default(['inference']),
  models: z.array(z.string().max(160)).min(1).max(100).optional(),
  nodes: z
    .array(z.string().refine((text) => isNodeId(text), 'a node id'))
    .min(1)
    .max(100)
    .optional(),
  limit: BudgetRequest.optional(),
  rateLimit: RateRequest.optional(),
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
  nodes: z.array(z.string()).nullable(),
  ...LimitsView.shape,
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  /** after a reroll: until when the secret before is good as well */
  oldKeyUntil: Timestamp.nullable(),
})
export type KeyView = z.infer<typeof KeyView>

/** `DELETE /api/keys/{id}`: revoked for ever. `wasRevoked`: somebody had done it before, at `revokedAt`. */
export const RevokedKey = KeyView.extend({ wasRevoked: z.boolean() })
export type RevokedKey = z.infer<typeof RevokedKey>

/** 201 of `POST /api/keys`: the only time the key itself is shown. */
export const CreatedKey = KeyView.extend({ key: z.string() })
export type CreatedKey = z.infer<typeof CreatedKey>

/** Every list: newest first; `nextCursor` goes back as `?cursor=`. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), nextCursor: z.string().nullable() })
