// Browser wallets, as they announce themselves (EIP-6963) and are spoken to (EIP-1193). What they say of themselves is anybody's text: an extension, or a
// script of one, may announce what it likes. Names are shown as text and cut; an icon is shown only if it is a `data:` image, and only as an image.
import { held } from '../data/held.ts'
import { refusedBy, WalletRefused } from './wallet-refused.ts'

/** EIP-1193 */
export interface Provider {
  request(args: { readonly method: string; readonly params?: readonly unknown[] }): Promise<unknown>
  on?(event: 'accountsChanged' | 'chainChanged' | 'disconnect', listener: (value: unknown) => void): void
  removeListener?(event: string, listener: (value: unknown) => void): void
}

/** One that was announced (EIP-6963), its words checked. */
export interface BrowserWallet {
  readonly uuid: string
  readonly name: string
  /** a `data:` image; null: none that may be shown */
  readonly icon: string | null
  /** reverse domain name */
  readonly rdns: string
  readonly provider: Provider
}

/** more wallets than anybody has: a page that announces for ever fills no list */
const WALLETS_MAX = 20
const NAME_CHARACTERS_MAX = 40
const ICON_CHARACTERS_MAX = 200_000
/** Shown by an <img>, where an SVG runs no script and loads nothing. */
const ICON = /^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/

const found = held<readonly BrowserWallet[]>([])

window.addEventListener('eip6963:announceProvider', (event) => {
  const wallet = event instanceof CustomEvent ? readAnnouncement(event.detail) : null
  const before = found.get()
  if (wallet === null || before.length >= WALLETS_MAX || before.some(({ uuid }) => uuid === wallet.uuid)) return
  found.set([...before, wallet])
})
window.dispatchEvent(new Event('eip6963:requestProvider'))

/** ms in which wallets that announce themselves have done so */
const ANNOUNCED_MS = 500

// A wallet from before EIP-6963 puts itself into the page and announces nothing.
setTimeout(() => {
  const provider = 'ethereum' in window ? window.ethereum : undefined
  if (found.get().length > 0 || !isProvider(provider)) return
  found.set([{ uuid: 'injected', name: 'the wallet of this browser', icon: null, rdns: 'injected', provider }])
}, ANNOUNCED_MS)

/** @returns null for what is not of EIP-6963's shape */
function readAnnouncement(detail: unknown): BrowserWallet | null {
  const { info, provider } = asRecord(detail)
  const { uuid, name, icon, rdns } = asRecord(info)
  if (typeof uuid !== 'string' || typeof name !== 'string' || typeof rdns !== 'string') return null
  if (!isProvider(provider)) return null
  const isShown = typeof icon === 'string' && icon.length <= ICON_CHARACTERS_MAX && ICON.test(icon)
  const shown = [...name.trim()].slice(0, NAME_CHARACTERS_MAX).join('') || 'a wallet without a name'
  return { uuid, name: shown, icon: isShown ? icon : null, rdns: rdns.slice(0, 100), provider }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {} // an object's fields are unknown, and read as such
}

function isProvider(value: unknown): value is Provider {
  return typeof asRecord(value).request === 'function'
}

export const useWallets = (): readonly BrowserWallet[] => found.use()

/** @throws WalletRefused */
export async function ask(provider: Provider, method: string, params: readonly unknown[] = []): Promise<unknown> {
  try {
    return await provider.request({ method, params })
  } catch (cause) {
    throw refusedBy(cause)
  }
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** The account a wallet is on, of `eth_accounts` or `accountsChanged`. @returns null: none is shared */
export function accountIn(value: unknown): string | null {
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  return typeof first === 'string' && ADDRESS.test(first) ? first : null
}

/** Asks its owner to connect (EIP-1102). @throws WalletRefused */
export async function connect({ provider }: BrowserWallet): Promise<string> {
  const address = accountIn(await ask(provider, 'eth_requestAccounts'))
  if (address === null) throw new WalletRefused('The wallet shared no account. Unlock it, then try again.')
  return address
}
