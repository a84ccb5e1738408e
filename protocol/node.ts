// Node and gateway: how a node joins, what it offers, how the gateway asks it for work, what it streams back. The wire's version: wire.ts.
import { z } from 'zod'
import { Address, Signature } from './auth.ts'
import { Sha256Hex } from './model.ts'
import { CHOICES_MAX, TokenLogprob, Usage } from './openai.ts'
import { Continent } from './routing.ts'

/** `authorization: Souk <ticket>` on every request the gateway sends to a node. */
export const TICKET_SCHEME = 'Souk'

/** 43 characters carry 258 bits: the last one's two spare bits are zero, so that a key has one spelling and cannot join twice. */
export const Ed25519Key = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'a base64url Ed25519 public key (RFC 8037 "x")')

/** Below 100,000 dollars, so that the dearest possible call (21 million tokens) stays far below 2^53 nanos and no offer can break a quote. */
const PriceUsd = z.string().regex(/^\d{1,5}(\.\d{1,9})?$/, 'decimal dollars below 100000 with at most nine places')

/** Decimal dollars per million units, and per call. */
export const OfferPrices = z.strictObject({
  inputPerMillion: PriceUsd,
  outputPerMillion: PriceUsd,
  cachedInputPerMillion: PriceUsd.optional(),
  bytesPerMillion: PriceUsd.optional(),
  perCall: PriceUsd.default('0'),
})
export type OfferPrices = z.infer<typeof OfferPrices>

/** `pinned`: the node loads the digest's own files. `declared`: it fronts another server and can only say which model that is. */
export const Assurance = z.enum(['pinned', 'declared'])
export type Assurance = z.infer<typeof Assurance>

export const OfferRequest = z.strictObject({
  model: z.string().max(160),
  digest: Sha256Hex,
  prices: OfferPrices,
  contextTokens: z.number().int().min(1).max(10_000_000),
  outputTokensMax: z.number().int().min(0).max(1_000_000),
  concurrencyMax: z.number().int().min(1).max(10_000),
  /** absent: pinned */
  assurance: Assurance.optional(),
  /** of routing.ts: what its engine honours; absent: not known. Names of a later version are left out */
  parameters: z.array(z.string().max(40)).max(40).optional(),
  /** text goes on from what another node has delivered ({@link Continuation}); absent: it does not */
  continues: z.boolean().optional(),
  /** keeps prompts or answers; absent: not for a pinned offer, and unknown, which counts as yes, for a declared one */
  collectsData: z.boolean().optional(),
})
export type OfferRequest = z.infer<typeof OfferRequest>

/** EIP-712: the operator's wallet authorises a node's two keys, once, until the deadline (seconds). */
export const nodeAuthorizationTypes = {
  NodeAuthorization: [
    { name: 'operator', type: 'address' },
    { name: 'nodeKey', type: 'bytes32' },
    { name: 'settlementKey', type: 'address' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** The `typ` of what a node's key signs besides receipts, so that no signature can stand for another kind of statement. */
export const PROOF_TYP = {
  registration: 'souk-registration',
  challenge: 'souk-challenge',
  hello: 'souk-hello',
} as const

/** The EIP-712 domain: one chain, one market. */
export const nodeAuthorizationDomain = (chainId: number) => ({ name: 'Souk', version: '1', chainId }) as const

export const RegisterNodeRequest = z.strictObject({
  name: z.string().trim().min(1).max(80),
  /** an https address, or LINK_ENDPOINT (link.ts): reached by the node's own link */
  endpoint: z.string().max(2_048),
  nodeKey: Ed25519Key,
  settlementKey: Address,
  operator: Address,
  /** seconds since the Unix epoch, as in the signed data */
  deadline: z.number().int().min(0),
  /** the operator's EIP-712 signature of NodeAuthorization */
  signature: Signature,
  /** compact JWS by the node key over {@link registrationClaims} */
  nodeProof: z.string().max(4_096),
  offers: z.array(OfferRequest).min(1).max(100),
})
export type RegisterNodeRequest = z.infer<typeof RegisterNodeRequest>

/** What the node key signs at registration: it agrees to this operator, endpoint and time. */
export const registrationClaims = (
  request: Pick<RegisterNodeRequest, 'operator' | 'endpoint' | 'deadline' | 'settlementKey'>,
) => ({
  use: 'souk-node-registration',
  operator: request.operator.toLowerCase(),
  endpoint: request.endpoint,
  settlementKey: request.settlementKey.toLowerCase(),
  deadline: request.deadline,
})

/** `revoked`: its operator took the authorisation back; a new registration by the wallet gives it again. */
export const NodeState = z.enum(['pending', 'probation', 'active', 'draining', 'suspended', 'revoked'])
export type NodeState = z.infer<typeof NodeState>

/** decimal dollars */
export const PricesView = z.object({
  inputPerMillion: z.string(),
  outputPerMillion: z.string(),
  cachedInputPerMillion: z.string(),
  bytesPerMillion: z.string(),
  perCall: z.string(),
})

/** Of `GET /api/nodes/{id}/offers/{model}/prices`: prices an offer had from a time on; a journal line names the version its charge was made of. */
export const PriceVersionView = z.object({ version: z.number().int(), prices: PricesView, from: z.string() })
export type PriceVersionView = z.infer<typeof PriceVersionView>

export const OfferView = z.object({
  model: z.string(),
  digest: z.string(),
  state: z.enum(['pending', 'live', 'paused']),
  /** Why it gets no traffic, in words; null when it does. */
  reason: z.string().nullable(),
  prices: PricesView,
  contextTokens: z.number(),
  outputTokensMax: z.number(),
  concurrencyMax: z.number(),
  assurance: Assurance.optional(),
  /** request fields its engine honours; null: not said */
  parameters: z.array(z.string()).nullable().optional(),
  /** its text goes on from what another node has delivered */
  continues: z.boolean().optional(),
  /** keeps prompts or answers; null: not said, which counts as yes for a declared offer and as no for a pinned one */
  collectsData: z.boolean().nullable().optional(),
  /** what audits thought of it when the day began (UTC), 0…1; null: nothing yet, which counts as 1 */
  trust: z.number().nullable().optional(),
  /** decayed share of attempts refused because all places were taken, 0…1; null while unknown */
  busyShare: z.number().nullable().optional(),
  /** attempts at the same time it is sent at most: what it says, or what it was found to take */
  inFlightCap: z.number().optional(),
  /** Millionths by which its own token counts were off what can be, decayed: 0 is right; null while unknown. */
  driftPpm: z.number().nullable(),
})
export type OfferView = z.infer<typeof OfferView>

export const NodeView = z.object({
  id: z.string(),
  name: z.string(),
  nodeKey: z.string(),
  operatorAccountId: z.string(),
  endpoint: z.string(),
  state: NodeState,
  reason: z.string().nullable(),
  /** of a node that is reached by its link: since when it is there, and since when it is gone; both null before the first one. Absent: reached by HTTPS */
  link: z.object({ upSince: z.string().nullable(), downSince: z.string().nullable() }).optional(),
  /** the version of the wire that is spoken with it; null before its endpoint was proved */
  wireVersion: z.number().int().nullable().optional(),
  /** continent it was last seen on; null: not known */
  region: Continent.nullable().optional(),
  offers: z.array(OfferView),
  /** of all that is offered: what a change of the offers is based on. Absent: a gateway of before */
  offersTag: z.string().optional(),
  createdAt: z.string(),
})
export type NodeView = z.infer<typeof NodeView>

/** `POST {endpoint}/souk/challenge`: answer with a compact JWS by the node key over {@link challengeClaims}. */
export const ChallengeRequest = z.strictObject({
  challenge: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  endpoint: z.string().max(2_048),
})
export type ChallengeRequest = z.infer<typeof ChallengeRequest>
export const ChallengeReply = z.object({ proof: z.string().max(4_096) })
/** The endpoint is part of what is signed, so that a relay to somebody else's node proves nothing. */
export const challengeClaims = (request: ChallengeRequest) => ({
  use: 'souk-endpoint',
  challenge: request.challenge,
  endpoint: request.endpoint,
})

/** `POST /api/nodes/{id}/hello`, sent by a node when it is up: `{ proof }`, a JWS over these claims, `iat` within a minute. */
export const HelloRequest = z.strictObject({ proof: z.string().max(4_096) })
export const helloClaims = (nodeId: string, iat: number) => ({ use: 'souk-hello', nodeId, iat })

/** A receipt over 256 vectors, each with its hash, is 23,700 characters. */
const ReceiptJws = z.string().max(32_768)

/**
 * One `data:` event of a node's text stream, for chat and for completions alike. `index` counts the choices of all prompts. `usage` is cumulative
 * over all choices and may stand in every event; `receipt` only in the last.
 */
export const NodeChatEvent = z.object({
  choices: z
    .array(
      z.object({
        index: z
          .number()
          .int()
          .min(0)
          .max(CHOICES_MAX - 1),
        delta: z.object({ content: z.string().nullish() }).loose(),
        /** of the tokens whose text is complete in this event */
        logprobs: z.array(TokenLogprob).max(4_096).nullish(),
        finish_reason: z.enum(['stop', 'length', 'content_filter']).nullish(),
      }),
    )
    .max(1),
  usage: z.unknown().optional(),
  receipt: ReceiptJws.optional(),
})
export type NodeChatEvent = z.infer<typeof NodeChatEvent>

/** A node's claim of what it did; parsed apart, because a claim that is no number is ignored and not an error. */
export const NodeUsageClaim = Usage.pick({ prompt_tokens: true, completion_tokens: true })
export type NodeUsageClaim = z.infer<typeof NodeUsageClaim>

/** A node's answer to an embedding request. Vectors are always numbers here; the gateway encodes base64 for who asked. */
export const NodeEmbeddingReply = z.object({
  data: z.array(z.object({ index: z.number().int(), embedding: z.array(z.number()).max(65_536) })).max(256),
  usage: z.unknown().optional(),
  receipt: ReceiptJws.optional(),
})
export type NodeEmbeddingReply = z.infer<typeof NodeEmbeddingReply>

/** Refusals of a node, `{ error: { code } }`: which of them are the caller's fault decides who else is asked. */
export const NodeErrorCode = z.enum([
  'bad_ticket',
  'bad_request',
  'context_length_exceeded',
  /** a filter of the node's refused the request: its own model is not asked again, another one may be */
  'content_filter',
  /** this engine cannot honour a parameter of the request: another node may */
  'unsupported_parameter',
  'model_not_loaded',
  'busy',
  'draining',
  'internal',
])
export type NodeErrorCode = z.infer<typeof NodeErrorCode>
export const NodeErrorBody = z.object({
  error: z.object({ code: NodeErrorCode, message: z.string().max(512).optional() }),
})

/**
 * Fields of a text request that only a gateway sends, beside the caller's own: the answer goes on from a delivered prefix. The prefix is the last
 * message, by the assistant (vLLM's and llama.cpp's convention); for completions it is `continue_text`.
 */
export const Continuation = {
  continue_final_message: z.boolean().optional(),
  continue_text: z.string().max(1_000_000).optional(),
}

/** Where a node answers: the public paths, so that the same body reads the same on both sides of the gateway. */
export const NODE_PATHS = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
  /** Always the canonical binary form of protocol/oip.ts, in both directions. The model stands in the ticket and in the body's `model_name`. */
  infer: '/v2/infer',
} as const
