// Contract wallets: whether the contract at an address signed a text (EIP-1271), or will have when it is deployed (EIP-6492). The chain says so, by one
// call that changes nothing, through the node that the configuration names. Threats: a stranger who makes us ask for nothing (bounded in time and
// number, and only for a living nonce), a contract that sends its reader elsewhere (EIP-3668 is off), a node that serves another chain (asked once).
import { BaseError, createClient, hashMessage, http, isHex, type Client, type Hex } from 'viem'
import { getChainId, getCode, verifyHash } from 'viem/actions'
import { getAddress } from 'viem/utils'
import { GatewayError } from '../core/errors.ts'
import { CHAIN } from '../core/limits.ts'

export interface ContractWallets {
  /** @throws GatewayError unavailable (the chain was not heard), rate_limited (too many ask at the same time) */
  hasSigned(claim: { readonly address: string; readonly text: string; readonly signature: string }): Promise<boolean>
}

/** The end of a signature by a contract that is still to be deployed, whose beginning says how. @see https://eips.ethereum.org/EIPS/eip-6492 */
const UNDEPLOYED = /6492649264926492649264926492649264926492649264926492649264926492$/

/** @param url of a JSON-RPC node @param chainId that it must serve, EIP-155 */
export function createContractWallets({ url, chainId }: { url: string; chainId: number }): ContractWallets {
  let isChainKnown = false
  let running = 0

  const ask = async (client: Client, address: string, text: string, signature: Hex): Promise<boolean> => {
    if (!isChainKnown) {
      const found = await getChainId(client)
      if (found !== chainId) throw new Error(`SOUK_RPC_URL serves chain ${found}, not ${chainId}`)
      isChainKnown = true
    }
    const contract = getAddress(address)
    // Without code there is only a key pair, and how that signs was judged before.
    if (!UNDEPLOYED.test(signature) && (await getCode(client, { address: contract })) === undefined) return false
    return verifyHash(client, { address: contract, hash: hashMessage(text), signature })
  }

  return {
    async hasSigned({ address, text, signature }) {
      if (!isHex(signature)) return false
      if (running >= CHAIN.asksAtOnce) throw new GatewayError('rate_limited', { retryAfterSeconds: 1 })
      running++
      let failure: unknown = null
      const client = createClient({
        ccipRead: false,
        transport: http(url, {
          retryCount: 0,
          // Of all its requests together.
          fetchOptions: { signal: AbortSignal.timeout(CHAIN.askMs), redirect: 'manual' },
          // Inside the check a node that is away looks like a contract that says no.
          fetchFn: async (input, init) => {
            try {
              const answer = await fetch(input, init)
              if (!answer.ok) failure = new Error(`the chain's node answered ${answer.status}`)
              return answer
            } catch (error) {
              failure = error
              throw error
            }
          },
        }),
      })
      try {
        const isSigned = await ask(client, address, text, signature)
        if (failure !== null) throw new Error('the chain was not heard', { cause: failure })
        return isSigned
      } catch (cause) {
        throw new GatewayError('unavailable', {
          cause: new Error(reasonOf(failure ?? cause)),
          detail: 'The chain of this wallet cannot be asked.',
        })
      } finally {
        running--
      }
    },
  }
}

/** viem's long messages quote the URL, whose path may be the key of an account with whoever runs the node. */
const reasonOf = (error: unknown): string =>
  error instanceof BaseError
    ? `${error.name}: ${error.shortMessage}`
    : error instanceof Error
      ? error.message
      : 'unknown'
