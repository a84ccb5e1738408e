// Registering a node with a wallet, step by step: the right account, a session of that wallet, its authorisation of the node's two keys, the gateway's answer.
// Every way it can end is words; nothing is registered before the last step.
import type { AccountView } from '../../../protocol/auth.ts'
import { bytesToHex, fromBase64url } from '../../../protocol/canonical.ts'
import { nodeAuthorizationDomain, nodeAuthorizationTypes, type NodeView } from '../../../protocol/node.ts'
import { api, read } from '../data/api.ts'
import { withFreshSignIn } from '../session/fresh-sign-in.tsx'
import { keepWallet } from '../session/kept-wallet.ts'
import { sessionChanged } from '../session/session.ts'
import { signIn } from '../session/sign-in.ts'
import { isSameAddress, type Signer, type TypedData } from '../session/signer.ts'
import { WalletRefused } from '../session/wallet-refused.ts'
import { EXPIRED, isExpired, type UnsignedRegistration } from './registration-link.ts'

/** Whether who is signed in may register for this wallet without signing in with it. */
export const isOwnWallet = (account: AccountView | null | undefined, operator: string): boolean =>
  account?.wallets.some(({ address }) => isSameAddress(address, operator)) === true

/** @param say told what is asked of the person next @throws WalletRefused, ApiError */
export async function register(
  signer: Signer,
  request: UnsignedRegistration,
  account: AccountView | null | undefined,
  say: (words: string) => void,
): Promise<NodeView> {
  requireTime(request)
  if (!isSameAddress(signer.address, request.operator))
    throw new WalletRefused(
      `The wallet is on the account ${signer.address}, and this link is for ${request.operator}. Change the account in the wallet, and try again.`,
    )
  const { domain, chainId } = await read(api.auth.nonce.$post())
  if (domain !== window.location.host)
    throw new WalletRefused(
      `This gateway signs in at ${domain}, and this page is at ${window.location.host}. Give the node that address as its gateway.`,
    )
  const isIn = isOwnWallet(account, request.operator)
  if (!isIn) {
    say('1 of 2: sign in, in your wallet.')
    const { address } = await signIn(signer)
    keepWallet({ address, kind: signer.kind })
    await sessionChanged()
  }
  say(`${isIn ? 'A' : '2 of 2: a'}uthorise the two keys of the node, in your wallet.`)
  const signature = await signer.signTypedData(authorizationOf(request, chainId))
  requireTime(request)
  say('Registering…')
  return withFreshSignIn(() => read(api.api.nodes.$post({ json: { ...request, signature } })))
}

/** It may run out while the page is open. */
function requireTime(request: UnsignedRegistration): void {
  if (isExpired(request, Date.now())) throw new WalletRefused(EXPIRED)
}

const authorizationOf = (request: UnsignedRegistration, chainId: number): TypedData => ({
  domain: nodeAuthorizationDomain(chainId),
  types: nodeAuthorizationTypes,
  primaryType: 'NodeAuthorization',
  message: {
    operator: request.operator,
    nodeKey: `0x${bytesToHex(fromBase64url(request.nodeKey))}`,
    settlementKey: request.settlementKey,
    deadline: String(request.deadline),
  },
})
