// Browser wallets, as they announce themselves (EIP-6963) and are spoken to (EIP-1193). What they say of themselves is shown as text only.
import { useSyncExternalStore } from 'react'
import { stringToHex } from 'viem'
import type { Signer } from './sign-in.ts'
import { WalletRefused } from './wallet-refused.ts'

/** EIP-1193 */
export interface Provider {
  request(args: { readonly method: string; readonly params?: readonly unknown[] }): Promise<unknown>
  on?(event: 'accountsChanged' | 'chainChanged' | 'disconnect', listener: (value: unknown) => void): void
  removeListener?(event: string, listener: (value: unknown) => void): void
}

/** EIP-6963 */
export interface BrowserWallet {
  readonly info: { readonly uuid: string; readonly name: string; readonly icon: string; readonly rdns: string }
  readonly provider: Provider
}

let found: readonly BrowserWallet[] = []
const listeners = new Set<() => void>()

window.addEventListener('eip6963:announceProvider', (event) => {
  const { detail } = event as CustomEvent<BrowserWallet> // EIP-6963 fixes the shape; a wallet that breaks it fails when it is asked
  if (!detail?.info?.uuid || found.some(({ info }) => info.uuid === detail.info.uuid)) return
  found = [...found, detail]
  for (const listener of listeners) listener()
})
window.dispatchEvent(new Event('eip6963:requestProvider'))

export const useWallets = (): readonly BrowserWallet[] =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => found,
  )

/** EIP-1193: the user said no. */
const USER_REJECTED = 4001

/** @throws WalletRefused */
export async function browserSigner({ provider }: BrowserWallet): Promise<Signer> {
  const [address] = (await ask(provider, 'eth_requestAccounts')) as readonly string[] // EIP-1102
  if (address === undefined) throw new WalletRefused('The wallet shared no account.')
  return {
    address,
    sign: async (message) => String(await ask(provider, 'personal_sign', [stringToHex(message), address])),
  }
}

async function ask(provider: Provider, method: string, params: readonly unknown[] = []): Promise<unknown> {
  try {
    return await provider.request({ method, params })
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    throw new WalletRefused(code === USER_REJECTED ? 'You declined in your wallet.' : 'The wallet could not do this.', {
      cause,
    })
  }
}
