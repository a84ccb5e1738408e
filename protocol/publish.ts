// Publishing a model: the author's wallet signs what it says (EIP-712), so that a manifest cannot be published, or its royalty changed, by a stolen session.
// One digest is one model: the same files under another name are refused, so a royalty cannot be dodged by registering them again.
import { z } from 'zod'
import { Address, Signature, Timestamp } from './auth.ts'
import { jcs, sha256Hex } from './canonical.ts'
import { ModelManifest, Sha256Hex } from './model.ts'
import { nodeAuthorizationDomain } from './node.ts'

/** `manifest`: sha256 of JCS(manifest), so that everything it says is signed; `digest`: of its files. `deadline` in seconds, at most a day ahead. */
export const modelPublicationTypes = {
  ModelPublication: [
    { name: 'author', type: 'address' },
    { name: 'model', type: 'string' },
    { name: 'digest', type: 'bytes32' },
    { name: 'manifest', type: 'bytes32' },
    { name: 'licence', type: 'string' },
    { name: 'royaltyBps', type: 'uint16' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** sha256 hex of JCS({ files }): what a model is. */
export const modelDigest = ({ files }: Pick<ModelManifest, 'files'>): string => sha256Hex(jcs({ files }))

/** The EIP-712 data an author's wallet signs. @param manifest as parsed, with every default written out: both sides hash the same text */
export const publicationOf = (manifest: ModelManifest, author: `0x${string}`, deadline: number, chainId: number) => ({
  domain: nodeAuthorizationDomain(chainId),
  types: modelPublicationTypes,
  primaryType: 'ModelPublication' as const,
  message: {
    author,
    model: manifest.id,
    digest: `0x${modelDigest(manifest)}` as const,
    manifest: `0x${sha256Hex(jcs(manifest))}` as const,
    licence: manifest.licence,
    royaltyBps: manifest.royaltyBps,
    deadline: BigInt(deadline),
  },
})
export type Publication = ReturnType<typeof publicationOf>

/** `POST /api/models`, by a session of the account that `author` is a wallet of. */
export const PublishRequest = z.strictObject({
  manifest: ModelManifest,
  author: Address,
  deadline: z.number().int().min(0),
  signature: Signature,
})
export type PublishRequest = z.infer<typeof PublishRequest>

/**
 * `active`: offered. `deprecated`: offered, and everybody is told, perhaps with what to use instead. `withdrawn`: by its author, and `blocked`: by the house for
 * abuse; both are served to nobody (410 and 451, RFC 7725), and nodes are told to unload it.
 */
export const ModelState = z.enum(['active', 'deprecated', 'withdrawn', 'blocked'])
export type ModelState = z.infer<typeof ModelState>

/** `PUT /api/models/{author}/{name}/state`: active, deprecated and withdrawn by its author with a fresh sign-in; blocked, and out of it, by an admin, who also has `POST /api/admin/models/{author}/{name}/state`. 409 `changed_meanwhile` when somebody else was first. */
export const ModelStateRequest = z.strictObject({
  state: ModelState,
  /** for callers and operators, in words: one line, since it is shown on terminals */
  reason: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .regex(/^\P{Cc}*$/u, 'words on one line')
    .optional(),
  /** id of the model to use instead */
  replacedBy: z.string().max(160).optional(),
  /** `stateAt` of the model as it was seen; absent: however it stands */
  seen: Timestamp.nullable().optional(),
})
export type ModelStateRequest = z.infer<typeof ModelStateRequest>

/** A model as everybody sees it: its manifest without the probes, which are questions with answers. */
export const ModelView = z.object({
  id: z.string(),
  digest: Sha256Hex,
  manifest: ModelManifest.omit({ probes: true }),
  authorAccountId: z.string(),
  royaltyBps: z.number().int(),
  state: ModelState,
  reason: z.string().nullable(),
  replacedBy: z.string().nullable(),
  /** of the last change of its state: what a change is based on; null: never changed */
  stateAt: Timestamp.nullable().default(null),
  /** the wallet that signed the publication; null for a model of before */
  publishedBy: Address.nullable(),
  createdAt: Timestamp,
})
export type ModelView = z.infer<typeof ModelView>
