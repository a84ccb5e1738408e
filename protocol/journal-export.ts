// The journal as a file of one's own: JSON lines (NDJSON). First a header with the gateway's keys, then every line in order with what is kept
// of its proofs, last the head, signed. A file that was cut has no trailer, so it never passes for a whole one. Every line is written as
// JSON.stringify writes it, so that not one character of the file can change unseen.
import { z } from 'zod'
import { fromBase64url } from './canonical.ts'
import { AccountIdText, UsdNanos } from './fields.ts'

export const JOURNAL_FORMAT = 'souk-journal/1'
export const JOURNAL_MEDIA_TYPE = 'application/x-ndjson'
/** typ of the head's JWS */
export const HEAD_TYP = 'souk-journal-head'
/** keys of a set: today's and those before it */
const KEYS_MAX = 20

const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
/** Spare bits of the last character must be zero, or a key would have several spellings. */
const Base64url32 = z.string().refine((text) => /^[\w-]{42}[AEIMQUYcgkosw048]$/.test(text), '32 bytes as base64url')

/** RFC 8037, the public half. */
export const PublicJwk = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: Base64url32,
  /** RFC 7638 thumbprint */
  kid: Base64url32,
  alg: z.literal('EdDSA'),
  use: z.literal('sig'),
})
export type PublicJwk = z.infer<typeof PublicJwk>

/** `/.well-known/jwks.json` */
export const Jwks = z.strictObject({ keys: z.array(PublicJwk).min(1).max(KEYS_MAX) })
export type Jwks = z.infer<typeof Jwks>

export const ExportHeader = z.strictObject({
  format: z.literal(JOURNAL_FORMAT),
  accountId: AccountIdText,
  /** the file begins with the line after this one; 0 for a whole journal */
  after: z.number().int().min(0),
  jwks: Jwks,
})
export type ExportHeader = z.infer<typeof ExportHeader>

/** Receipt, ticket and salt of a call, as long as retention keeps them; a late receipt stands at its own line. */
export const ExportLine = z.strictObject({
  seq: z.number().int().min(1),
  prevHash: Sha256Hex,
  hash: Sha256Hex,
  body: z.string(),
  receipt: z.string().optional(),
  ticket: z.string().optional(),
  salt: z.string().optional(),
})
export type ExportLine = z.infer<typeof ExportLine>

/** JWS over {@link HeadClaims} */
export const ExportTrailer = z.strictObject({ head: z.string() })
export type ExportTrailer = z.infer<typeof ExportTrailer>

/** What the gateway signs: this account's journal ended here at this time. */
export const HeadClaims = z.strictObject({
  accountId: AccountIdText,
  seq: z.number().int().min(0),
  hash: Sha256Hex,
  /** decimal dollars, open holds included */
  balance: z.string().refine((text) => UsdNanos.safeParse(text).success, 'decimal dollars'),
  at: z.iso.datetime(),
})
export type HeadClaims = z.infer<typeof HeadClaims>

/** `GET /api/journal/head` */
export const JournalHeadReply = HeadClaims.extend({ head: z.string() })
export type JournalHeadReply = z.infer<typeof JournalHeadReply>

/** One line of the file. */
export const exportText = (value: ExportHeader | ExportLine | ExportTrailer): string => `${JSON.stringify(value)}\n`

/** A JWS whose signature is spelt in the one canonical way: decoders forgive the two spare bits of 64 bytes. */
export function isCanonicalJws(jws: string): boolean {
  const signature = jws.split('.')[2] ?? ''
  try {
    return fromBase64url(signature).length === 64 && /[AQgw]$/.test(signature)
  } catch {
    return false
  }
}
