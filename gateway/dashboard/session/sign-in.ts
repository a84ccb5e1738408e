// Signing in with a wallet (EIP-4361): ask for a nonce, have the message signed, hand it in. The gateway answers with a cookie.
import { createSiweMessage } from 'viem/siwe'
import { getAddress } from 'viem'
import type { NonceReply, VerifyReply } from '../../../protocol/auth.ts'
import { api, read } from '../data/api.ts'

/** Anything that signs for one address: a browser wallet, or one sealed by a passkey. */
export interface Signer {
  readonly address: string
  /** EIP-191 personal message. @throws WalletRefused when its owner said no */
  sign(message: string): Promise<string>
}

export async function signIn(signer: Signer): Promise<VerifyReply> {
  const nonce = await read(api.auth.nonce.$post())
  const message = messageFor(nonce, signer.address)
  const signature = await signer.sign(message)
  return read(api.auth.verify.$post({ json: { message, signature } }))
}

/** The very text that the wallet shows. Its lines and their order are EIP-4361's. */
export function messageFor(nonce: NonceReply, address: string): string {
  return createSiweMessage({
    address: getAddress(address),
    chainId: nonce.chainId,
    domain: nonce.domain,
    uri: nonce.uri,
    nonce: nonce.nonce,
    statement: nonce.statement,
    version: '1',
    issuedAt: new Date(nonce.issuedAt),
    expirationTime: new Date(nonce.expirationTime),
  })
}
