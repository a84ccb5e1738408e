// The node's signed statement for each ticket it worked on, whatever the outcome. Before anybody gets one it is given to the store, which keeps it
// until the gateway has acknowledged it; the last ones stay in memory too, for whoever runs the node in his own program.
import { createHash } from 'node:crypto'
import type { CryptoKey } from 'jose'
import { requestHash, signReceipt, type Outcome } from '../../protocol/receipt.ts'
import type { Ticket } from '../../protocol/ticket.ts'
import { NODE_LIMITS } from '../limits.ts'
import type { ReceiptStore } from './store.ts'

export interface Work {
  readonly ticket: Ticket
  /** the ticket as it came: compact JWS */
  readonly ticketJws: string
  /** {@link requestHash} of the body */
  readonly requestHash: string
  /** per choice: text, or the canonical bytes of a vector */
  readonly outputs: readonly (string | Uint8Array)[]
  readonly inputTokens: number
  readonly outputTokens: number
  /** of tensors, in and out; absent: none */
  readonly tensorBytes?: number
  /** of a delivered prefix that was continued; absent: none */
  readonly continuedCharacters?: number
  /** ms since the Unix epoch */
  readonly startedAt: number
  readonly firstOutputAt: number | null
  readonly endedAt: number
  readonly outcome: Outcome
}

export interface Receipts {
  /** Signs and keeps: it is on the disk when this resolves, or the operator knows why not. @returns compact JWS */
  issue(work: Work): Promise<string>
  /** no further receipt could be kept: whoever works now may work unpaid */
  isFull(): boolean
  /** oldest first, at most {@link NODE_LIMITS.receiptsKept} */
  recent(): readonly string[]
}

export interface IssueNeeds {
  readonly identity: { readonly nodeKey: string; readonly signingKey: CryptoKey }
  readonly store: Pick<ReceiptStore, 'keep' | 'isFull'>
}

export function createReceipts({ identity, store }: IssueNeeds): Receipts {
  const kept: string[] = []
  return {
    // Field by field: whatever else a caller's object carries, an answer's text above all, must not be signed and sent on.
    async issue({ ticket, ticketJws, outputs, startedAt, firstOutputAt, endedAt, requestHash: request, ...work }) {
      const receipt = await signReceipt(
        {
          jti: ticket.jti,
          callId: ticket.callId,
          attempt: ticket.attempt,
          nodeKey: identity.nodeKey,
          model: ticket.model,
          modelDigest: ticket.modelDigest,
          request,
          outputs: outputs.map((output) => salted(ticket.salt, output)),
          inputTokens: work.inputTokens,
          outputTokens: work.outputTokens,
          ...(work.tensorBytes === undefined ? {} : { tensorBytes: work.tensorBytes }),
          outcome: work.outcome,
          startedAt: iso(startedAt),
          firstOutputAt: firstOutputAt === null ? null : iso(firstOutputAt),
          endedAt: iso(endedAt),
          continuedCharacters: work.continuedCharacters ?? 0,
        },
        identity.signingKey,
      )
      kept.push(receipt)
      if (kept.length > NODE_LIMITS.receiptsKept) kept.shift()
      await store.keep({ jti: ticket.jti, at: endedAt, ticket: ticketJws, receipt })
      return receipt
    },
    isFull: () => store.isFull(),
    recent: () => [...kept],
  }
}

/** @returns null when the body is no JSON that can be canonicalised (a lone surrogate, say) */
export function hashRequest(salt: string, body: unknown): string | null {
  try {
    return requestHash(salt, body)
  } catch {
    return null
  }
}

/** {@link tensorRequestHash} of protocol/receipt.ts, by the runtime's own SHA-256: megabytes must not hold up the other calls. */
export const hashTensorRequest = (salt: string, body: Uint8Array): string => salted(salt, body)

/** {@link outputHash} of protocol/receipt.ts, likewise. */
const salted = (salt: string, output: string | Uint8Array): string =>
  createHash('sha256').update(Buffer.from(salt, 'base64url')).update(output).digest('hex')

const iso = (epochMs: number): string => new Date(epochMs).toISOString()
