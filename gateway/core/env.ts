// The Worker's bindings and variables, parsed once per isolate. A wrong or missing one stops the first request with one clear sentence
// instead of failing somewhere later. Secrets are never given back by an error.
import { z } from 'zod'
import type { AccountGuard } from '../ledger/guard/account-guard.ts'
import type { NodeGuard } from '../market/guard/node-guard.ts'
import { CALL_TIMEOUTS } from './limits.ts'

/** What wrangler.toml, the secrets and (locally) the runner inject. */
export interface Bindings {
  readonly DB: D1Database
  readonly BOOK_0: D1Database
  readonly ACCOUNT: DurableObjectNamespace<AccountGuard>
  readonly NODE: DurableObjectNamespace<NodeGuard>
  /** the built dashboard; absent: the gateway has no pages */
  readonly ASSETS?: Fetcher
  readonly SOUK_DOMAIN?: string
  readonly SOUK_CHAIN_ID: string
  readonly SOUK_ADMINS: string
  readonly SOUK_FEE_BPS: string
  /** secret: 32 bytes, base64url; MACs API keys and pseudonyms */
  readonly SOUK_KEY_SECRET: string
  /** secret: Ed25519 private JWK as JSON; signs tickets */
  readonly SOUK_SIGNING_KEY: string
  /** '1' only where the local runner injects it: faucet, http and special addresses for nodes */
  readonly SOUK_LOCAL?: string
  /** basis points of what callers pay that audits may cost; absent: 200 */
  readonly SOUK_AUDIT_BPS?: string
  /** DNS over HTTPS in its JSON form; absent: Cloudflare's, under the local switch none */
  readonly SOUK_RESOLVER?: string
  /** JSON-RPC node of the chain SOUK_CHAIN_ID, asked about contract wallets; absent: only wallets with a key pair sign in */
  readonly SOUK_RPC_URL?: string
  /** ms a hold lives; absent: limits.ts */
  readonly SOUK_HOLD_DEADLINE_MS?: string
  /** JSON of partial CallTimeouts in ms; absent: limits.ts */
  readonly SOUK_TIMEOUTS?: string
  /** secret: of the Stripe webhook endpoint, whsec_…; absent: no payments */
  readonly SOUK_STRIPE_WEBHOOK_SECRET?: string
  /** '0': only test-mode events are booked; absent: live ones, under the local switch test ones */
  readonly SOUK_STRIPE_LIVE?: string
  /** the Stripe payment link that the dashboard sends payers to, https://…; absent: it offers none */
  readonly SOUK_STRIPE_PAYMENT_LINK?: string
}

/** BOOK_0, BOOK_1 … in order: the book, split by account. */
export function bookDatabases(bindings: Bindings): D1Database[] {
  const found: D1Database[] = []
  for (let index = 0; ; index++) {
    const database: unknown = Reflect.get(bindings, `BOOK_${index}`)
    if (!database) return found
    found.push(database as D1Database) // bindings of this name are databases: wrangler.toml says so
  }
}

/** Decimal digits only: a coerced number would read an empty fee as 0. */
const Digits = z
  .string()
  .regex(/^\d{1,15}$/, 'a whole number')
  .transform(Number)

/** A misspelt name is an error, not a time-out that silently keeps its default. */
const Timeouts = z.record(
  z.string().refine((name) => Object.hasOwn(CALL_TIMEOUTS, name)),
  z.number().int().positive(),
  `milliseconds by name, as JSON: ${Object.keys(CALL_TIMEOUTS).join(', ')}`,
)

const Variables = z.object({
  SOUK_DOMAIN: z.string().default(''),
  SOUK_CHAIN_ID: Digits.pipe(z.number().int().positive()),
  SOUK_ADMINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((address) => address.trim())
        .filter(Boolean),
    )
    .pipe(z.array(z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'SOUK_ADMINS holds EVM addresses separated by commas'))),
  SOUK_FEE_BPS: Digits.pipe(z.number().int().max(5_000)),
  SOUK_AUDIT_BPS: Digits.pipe(z.number().int().max(5_000)).optional(),
  SOUK_KEY_SECRET: z.string().regex(/^[A-Za-z0-9_-]{43,}$/, 'SOUK_KEY_SECRET is 32 random bytes as base64url'),
  SOUK_SIGNING_KEY: z.string().min(1),
  SOUK_LOCAL: z.enum(['0', '1']).default('0'),
  SOUK_RESOLVER: z.url({ protocol: /^https?$/ }).optional(),
  SOUK_RPC_URL: z.url({ protocol: /^https?$/ }).optional(),
  SOUK_HOLD_DEADLINE_MS: Digits.pipe(z.number().int().min(1_000).max(3_600_000)).optional(),
  SOUK_TIMEOUTS: z.string().default('{}').transform(parseOr(null)).pipe(Timeouts),
  SOUK_STRIPE_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/=_-]{16,}$/, 'SOUK_STRIPE_WEBHOOK_SECRET is what Stripe shows for the endpoint, whsec_…')
    .optional(),
  SOUK_STRIPE_LIVE: z.enum(['0', '1']).optional(),
  SOUK_STRIPE_PAYMENT_LINK: z.url({ protocol: /^https$/ }).optional(),
})

export interface Config {
  /** '' means: the host of the request */
  readonly domain: string
  readonly chainId: number
  /** lower case */
  readonly admins: ReadonlySet<string>
  readonly feeBps: number
  /** what audits may cost, of what callers pay */
  readonly auditBps: number
  readonly keySecret: string
  readonly signingKey: string
  readonly isLocal: boolean
  /** null: the one that is always there, or none */
  readonly resolverUrl: string | null
  /** null: no chain is asked. Its path may be a secret: it stands in no error */
  readonly rpcUrl: string | null
  readonly holdDeadlineMs: number | null
  readonly timeouts: Readonly<Record<string, number>>
  /** null: no payments through Stripe */
  readonly stripe: {
    readonly webhookSecret: string
    readonly isLive: boolean
    /** null: payers are sent nowhere from here */
    readonly paymentLink: string | null
  } | null
}

/** What a text says as JSON, or `fallback`, which the schema behind it refuses. */
function parseOr(fallback: unknown): (text: string) => unknown {
  return (text) => {
    try {
      return JSON.parse(text)
    } catch {
      return fallback
    }
  }
}

/** Two hundredths: what audits cost at most, of what callers pay. Their power at that price stands in the market room's README. */
const AUDIT_BPS = 200

/** @throws Error naming the variables that are wrong, never their values */
export function parseConfig(bindings: Partial<Bindings>): Config {
  const parsed = Variables.safeParse(bindings)
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`the gateway is not configured: ${names.join('; ')}`)
  }
  const v = parsed.data
  return {
    domain: v.SOUK_DOMAIN,
    chainId: v.SOUK_CHAIN_ID,
    admins: new Set(v.SOUK_ADMINS.map((address) => address.toLowerCase())),
    feeBps: v.SOUK_FEE_BPS,
    auditBps: v.SOUK_AUDIT_BPS ?? AUDIT_BPS,
    keySecret: v.SOUK_KEY_SECRET,
    signingKey: v.SOUK_SIGNING_KEY,
    isLocal: v.SOUK_LOCAL === '1',
    resolverUrl: v.SOUK_RESOLVER ?? null,
    rpcUrl: v.SOUK_RPC_URL ?? null,
    holdDeadlineMs: v.SOUK_HOLD_DEADLINE_MS ?? null,
    timeouts: v.SOUK_TIMEOUTS,
    stripe: v.SOUK_STRIPE_WEBHOOK_SECRET
      ? {
          webhookSecret: v.SOUK_STRIPE_WEBHOOK_SECRET,
          isLive: (v.SOUK_STRIPE_LIVE ?? (v.SOUK_LOCAL === '1' ? '0' : '1')) === '1',
          paymentLink: v.SOUK_STRIPE_PAYMENT_LINK ?? null,
        }
      : null,
  }
}
