// Registering a node with a browser wallet, step by step: the right account, the right chain, a session of that wallet, its authorisation of the node's two
// keys, and the gateway's answer. Every way it can end is words; nothing is registered before the last step.
import type { AccountView } from '../../../protocol/auth.ts'
import type { NodeView } from '../../../protocol/node.ts'
import { api, ApiError, read } from '../data/api.ts'
import type { Provider } from '../session/browser-wallets.ts'
import { withFreshSignIn } from '../session/fresh-sign-in.tsx'
import { forgetEverything } from '../session/session.ts'
import { signIn } from '../session/sign-in.ts'
import { RegistrationRefused, requireTime, type UnsignedRegistration } from './registration-link.ts'
import { requireAccount, requireChain, signAuthorization, signText } from './wallet-requests.ts'

/** Whether who is signed in may register for this wallet without signing in with it. */
export const isOwnWallet = (account: AccountView | null | undefined, operator: string): boolean =>
  account?.wallets.some(({ address }) => address.toLowerCase() === operator.toLowerCase()) === true

/** @param say told what is asked of the person next @throws RegistrationRefused */
export async function register(
  provider: Provider,
  request: UnsignedRegistration,
  account: AccountView | null | undefined,
  say: (words: string) => void,
): Promise<NodeView> {
  try {
    requireTime(request)
    say(`Open your wallet and connect the account ${request.operator}.`)
    await requireAccount(provider, request.operator)
    const { domain, chainId } = await read(api.auth.nonce.$post())
    requireHere(domain)
    await requireChain(provider, chainId)
    const isIn = isOwnWallet(account, request.operator)
    if (!isIn) {
      say('1 of 2: sign in, in your wallet.')
      await signIn({ address: request.operator, sign: (text) => signText(provider, request.operator, text) })
      await forgetEverything()
    }
    say(`${isIn ? '' : '2 of 2: '}Authorise the two keys of the node, in your wallet.`)
    const signature = await signAuthorization(provider, request, chainId)
    requireTime(request)
    say('Registering…')
    return await withFreshSignIn(() => read(api.api.nodes.$post({ json: { ...request, signature } })))
  } catch (error) {
    throw inWords(error)
  }
}

function requireHere(domain: string): void {
  if (domain === window.location.host) return
  throw new RegistrationRefused(
    `This gateway signs in at ${domain}, and this page is at ${window.location.host}. Give the node that address as its gateway.`,
  )
}

function inWords(error: unknown): RegistrationRefused {
  if (error instanceof RegistrationRefused) return error
  if (!(error instanceof ApiError))
    return new RegistrationRefused('This page failed. Reload it and try again.', { cause: error })
  if (error.code === 'unreachable')
    return new RegistrationRefused('The gateway does not answer. Nothing is lost: try again.', { cause: error })
  return new RegistrationRefused(`The gateway refused: ${error.message}`, { cause: error })
}
