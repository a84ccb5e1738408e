// What a registration asks of a browser wallet (EIP-1193), and what each of its refusals means in words.
import { bytesToHex, stringToHex } from 'viem'
import { fromBase64url } from '../../../protocol/canonical.ts'
import { nodeAuthorizationDomain, nodeAuthorizationTypes } from '../../../protocol/node.ts'
import type { Provider } from '../session/browser-wallets.ts'
import { RegistrationRefused, type UnsignedRegistration } from './registration-link.ts'

/** EIP-1193 and EIP-1474 */
const REJECTED = 4001
const UNAUTHORISED = 4100
const DISCONNECTED: readonly unknown[] = [4900, 4901]
const BUSY = -32_002
const SAID_MAX = 300

/** The wallet is on the account that the link is for. @throws RegistrationRefused */
export async function requireAccount(provider: Provider, operator: string): Promise<void> {
  const answer = await ask(provider, 'eth_requestAccounts', [], 'the connection')
  const accounts: readonly unknown[] = Array.isArray(answer) ? answer : []
  if (accounts.some((account) => String(account).toLowerCase() === operator.toLowerCase())) return
  throw new RegistrationRefused(
    accounts.length === 0
      ? 'The wallet gave this page no account. Unlock it, and try again.'
      : `The wallet is on the account ${String(accounts[0])}, and this link is for ${operator}. Change the account in the wallet, and try again.`,
  )
}

/** The wallet is on this chain, or changes to it. @throws RegistrationRefused */
export async function requireChain(provider: Provider, chainId: number): Promise<void> {
  const current = async () => Number(await ask(provider, 'eth_chainId', [], 'the question for its network'))
  if ((await current()) === chainId) return
  const params = [{ chainId: `0x${chainId.toString(16)}` }]
  try {
    await provider.request({ method: 'wallet_switchEthereumChain', params }) // EIP-3326
  } catch (error) {
    if (codeOf(error) === REJECTED) throw wordsOf(error, 'the change of network')
    throw new RegistrationRefused(
      `The wallet is on another network, and this gateway needs chain ${chainId}. Add or choose it in the wallet, and try again.`,
      { cause: error },
    )
  }
  if ((await current()) === chainId) return
  throw new RegistrationRefused(
    `The wallet is still on another network, and this gateway needs chain ${chainId}. Choose it in the wallet, and try again.`,
  )
}

/** EIP-191. @throws RegistrationRefused */
export const signText = async (provider: Provider, address: string, text: string): Promise<string> =>
  String(await ask(provider, 'personal_sign', [stringToHex(text), address], 'the sign-in'))

/** EIP-712. @throws RegistrationRefused */
export async function signAuthorization(
  provider: Provider,
  request: UnsignedRegistration,
  chainId: number,
): Promise<string> {
  const params = [request.operator, typedData(request, chainId)]
  return String(await ask(provider, 'eth_signTypedData_v4', params, 'the authorisation'))
}

/** As text, which is how wallets take it. */
export const typedData = (request: UnsignedRegistration, chainId: number): string =>
  JSON.stringify({
    types: {
      EIP712Domain: [
        { name: 'name', type: 'string' },
        { name: 'version', type: 'string' },
        { name: 'chainId', type: 'uint256' },
      ],
      ...nodeAuthorizationTypes,
    },
    primaryType: 'NodeAuthorization',
    domain: nodeAuthorizationDomain(chainId),
    message: {
      operator: request.operator,
      nodeKey: bytesToHex(fromBase64url(request.nodeKey)),
      settlementKey: request.settlementKey,
      deadline: String(request.deadline),
    },
  })

async function ask(provider: Provider, method: string, params: readonly unknown[], what: string): Promise<unknown> {
  try {
    return await provider.request({ method, params })
  } catch (error) {
    throw wordsOf(error, what)
  }
}

/** Wallets throw what they like: EIP-1193 asks for a code and a message. */
const codeOf = (error: unknown): unknown => Object(error).code
const messageIn = (error: unknown): unknown => Object(error).message

function wordsOf(error: unknown, what: string): RegistrationRefused {
  const refused = (words: string) => new RegistrationRefused(words, { cause: error })
  const code = codeOf(error)
  if (code === REJECTED || code === 'ACTION_REJECTED')
    return refused(`You declined ${what} in the wallet. Nothing was registered; you can try again.`)
  if (code === BUSY)
    return refused('The wallet has an open request already. Open the wallet, answer it, and try again.')
  if (code === UNAUTHORISED)
    return refused('The wallet does not allow this page to use that account. Connect it in the wallet, and try again.')
  if (DISCONNECTED.includes(code))
    return refused('The wallet is not connected to its network. Check it in the wallet, and try again.')
  const said = messageIn(error)
  return refused(
    `The wallet could not do ${what}: ${typeof said === 'string' ? said.slice(0, SAID_MAX) : 'an error without words'}`,
  )
}
