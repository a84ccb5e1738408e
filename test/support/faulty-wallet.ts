// Browser wallets (EIP-1193) that hold a real key and can fail in every way a page must have words for; put into real pages, where they announce themselves
// (EIP-6963) or stand in `window.ethereum`, as wallets of before do.
import type { BrowserContext } from 'playwright-core'
import { hexToString, isHex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { z } from 'zod'

export interface Wallet {
  request(asked: { method: string; params: unknown[] }): Promise<unknown>
}

export interface WalletFaults {
  /** by method: what is thrown instead of an answer */
  readonly throws?: Readonly<Record<string, unknown>>
  readonly chainId?: number
  /** whether it knows the chain it is asked to switch to; absent: it does */
  readonly canSwitch?: boolean
}

const Asked = z.object({
  primaryType: z.string(),
  domain: z.object({ name: z.string(), version: z.string(), chainId: z.number() }),
  types: z.record(z.string(), z.array(z.object({ name: z.string(), type: z.string() }))),
  message: z.record(z.string(), z.unknown()),
})

/** Signs what it is asked with a real key, as extensions do: typed data only for the chain it is on. */
export function aWallet(account: PrivateKeyAccount, faults: WalletFaults = {}) {
  const asked: string[] = []
  let chainId = faults.chainId ?? 8_453
  const answers: Record<string, (params: unknown[]) => unknown> = {
    eth_requestAccounts: () => [account.address.toLowerCase()],
    eth_accounts: () => [account.address.toLowerCase()],
    eth_chainId: () => `0x${chainId.toString(16)}`,
    wallet_switchEthereumChain([wanted]) {
      if (faults.canSwitch === false) throw Object.assign(new Error('Unrecognized chain'), { code: 4902 })
      chainId = Number(z.object({ chainId: z.string() }).parse(wanted).chainId)
      return null
    },
    personal_sign([hex]) {
      if (!isHex(hex)) throw new Error('no text')
      return account.signMessage({ message: hexToString(hex) })
    },
    eth_signTypedData_v4([, json]) {
      const { types, ...data } = Asked.parse(JSON.parse(z.string().parse(json)))
      if (data.domain.chainId !== chainId) throw new Error('Provided chainId must match the active chainId')
      return account.signTypedData({ types, ...data })
    },
  }
  const request: Wallet['request'] = async ({ method, params }) => {
    asked.push(method)
    if (faults.throws && method in faults.throws) throw faults.throws[method]
    const answer = answers[method]
    if (!answer) throw Object.assign(new Error(`no ${method}`), { code: 4200 })
    return answer(params)
  }
  return { request, asked }
}

export interface WalletsInPage {
  /** announced by EIP-6963, by name */
  readonly announced?: Readonly<Record<string, Wallet>>
  /** window.ethereum */
  readonly injected?: Wallet
}

/** Before a page of the context is opened. */
export async function putWallets(context: BrowserContext, { announced = {}, injected }: WalletsInPage): Promise<void> {
  const wallets = new Map(Object.entries(announced))
  if (injected) wallets.set('', injected)
  await context.exposeFunction('__askWallet', async (name: string, method: string, params: unknown[]) => {
    try {
      return { result: await wallets.get(name)?.request({ method, params }) }
    } catch (error) {
      const { code, message } = Object(error)
      return { error: { code, message } }
    }
  })
  const names = JSON.stringify(Object.keys(announced))
  await context.addInitScript({ content: `(${IN_PAGE})(${names}, ${injected !== undefined})` })
}

/** Runs in the page, by itself. */
const IN_PAGE = `(names, isInjected) => {
  const providerOf = (name) => ({
    async request({ method, params = [] }) {
      const { result, error } = await window.__askWallet(name, method, params)
      if (error) throw Object.assign(new Error(error.message), error.code === undefined ? {} : { code: error.code })
      return result
    },
    on() {},
    removeListener() {},
  })
  if (isInjected) window.ethereum = providerOf('')
  const all = names.map((name, i) => ({
    info: { uuid: 'wallet-' + i, name, rdns: 'test.' + i, icon: 'data:image/svg+xml,<svg/>' },
    provider: providerOf(name),
  }))
  const announce = () => {
    for (const detail of all) window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze(detail) }))
  }
  window.addEventListener('eip6963:requestProvider', announce)
  announce()
}`
