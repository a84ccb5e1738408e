// A node's key and the receipts it signs: for whatever ticket, and with whatever a test wants to be wrong.
import { exportJWK, generateKeyPair } from 'jose'
import { requestHash, signReceipt, type Receipt } from '../../../../protocol/receipt.ts'
import { readTicket } from '../../../../protocol/ticket.ts'

export async function aSigner() {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const { x: nodeKey = '' } = await exportJWK(publicKey)
  return {
    nodeKey,
    /** Ten tokens in, two out, unless a test says otherwise. */
    async receiptFor(ticketJws: string, over: Partial<Receipt> = {}): Promise<string> {
      const ticket = readTicket(ticketJws)
      if (!ticket) throw new Error('no ticket')
      const { jti, callId, attempt, model, modelDigest, salt } = ticket
      const at = '2040-01-01T00:00:00.000Z'
      const said = { jti, callId, attempt, nodeKey, model, modelDigest, request: requestHash(salt, {}), outputs: [] }
      const counts = { inputTokens: 5, outputTokens: 2, startedAt: at, firstOutputAt: at, endedAt: at }
      return signReceipt({ ...said, ...counts, outcome: 'complete', continuedCharacters: 0, ...over }, privateKey)
    },
  }
}
export type Signer = Awaited<ReturnType<typeof aSigner>>
