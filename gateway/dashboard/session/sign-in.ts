// Signing in with a wallet (EIP-4361): ask for a nonce, have the message signed, hand it in. The gateway answers with a cookie.
import { getAddress } from 'viem'
import { createSiweMessage } from 'viem/siwe'
import type { NonceReply, VerifyReply } from '../../../protocol/auth.ts'
import { api, read } from '../data/api.ts'
import { sendingSignIn } from './session.ts'
import type { Signer } from './signer.ts'
import { WalletRefused } from './wallet-refused.ts'

/** A message with its signature, as every route takes it that wants a wallet proved. */
export interface Proof {
  readonly message: string
  readonly signature: string
}

/** @param show what the wallet is going to be asked: told before it is asked. @throws WalletRefused, ApiError */
export async function proveWallet(signer: Signer, show: (message: string) => void): Promise<Proof> {
  const nonce = await read(api.auth.nonce.$post())
  // Wallets warn of a text that names another site than the one that asks; so do we.
  if (nonce.domain !== window.location.host)
    throw new WalletRefused(
      `This page stands at ${window.location.host}, and sign-ins here are for ${nonce.domain}. Go there to sign in.`,
    )
  const message = messageFor(nonce, signer.address)
  show(message)
  return { message, signature: await signer.sign(message) }
}

/** @throws WalletRefused, ApiError */
export async function signIn(signer: Signer, show: (message: string) => void = () => undefined): Promise<VerifyReply> {
  const json = await proveWallet(signer, show)
  return sendingSignIn(read(api.auth.verify.$post({ json })))
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
