// The little of a browser that our one page without a framework needs: elements with text, buttons that can be pressed, events, and wallets (EIP-1193)
// that hold a real key. A page that asks for anything else fails here, which is the point.
import { createContext, runInContext } from 'node:vm'
import { hexToString, isHex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { z } from 'zod'

export class PageElement {
  #text = ''
  children: PageElement[] = []
  hidden = false
  disabled = false
  className = ''
  type = ''
  readonly attributes: Record<string, string> = {}
  readonly listeners: Record<string, () => Promise<void> | void> = {}
  constructor(readonly tag: string) {}
  get textContent(): string {
    return this.#text + this.children.map((child) => child.textContent).join(' ')
  }
  set textContent(text: string) {
    this.#text = text
  }
  setAttribute(name: string, value: string): void {
    this.attributes[name] = value
  }
  append(...children: PageElement[]): void {
    this.children.push(...children)
  }
  addEventListener(name: string, listener: () => Promise<void> | void): void {
    this.listeners[name] = listener
  }
}

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

export interface PageOptions {
  /** the page's whole address, with its # */
  readonly link: string
  /** announced by EIP-6963, by name */
  readonly announced?: Readonly<Record<string, Wallet>>
  /** window.ethereum */
  readonly injected?: Wallet
  readonly fetch?: typeof fetch
}

/** Fetches the page, runs its script, and gives what a person would see and press. */
export async function openPage({ link, announced = {}, injected, fetch: send = fetch }: PageOptions) {
  const { origin, host, hash, pathname } = new URL(link)
  const html = await (await fetch(`${origin}${pathname}`)).text()
  const script = /<script>([\s\S]*)<\/script>/.exec(html)?.[1] ?? ''
  const elements = Object.fromEntries(
    [...html.matchAll(/<(\w+) id="(\w+)"[^>]*>/g)].map(([, tag = '', id = '']) => [id, new PageElement(tag)]),
  )
  const window = Object.assign(new EventTarget(), { ethereum: injected })
  window.addEventListener('eip6963:requestProvider', () => {
    for (const [name, provider] of Object.entries(announced))
      window.dispatchEvent(
        Object.assign(new Event('eip6963:announceProvider'), { detail: { info: { name }, provider } }),
      )
  })
  const document = {
    getElementById: (id: string) => elements[id] ?? null,
    createElement: (tag: string) => new PageElement(tag),
  }
  const context = createContext({
    ...{ document, window, location: { hash, host, origin }, Event, TextDecoder, TextEncoder, atob, AbortSignal },
    // The page waits for wallets that announce themselves late; here all have.
    setTimeout: (run: () => void) => setTimeout(run, 0),
    fetch: (path: string, init: RequestInit) => send(new URL(path, origin), init),
  })
  runInContext(script, context)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const part = (id: string) => elements[id] ?? new PageElement('missing')
  return {
    text: (id: string) => part(id).textContent,
    kind: () => part('status').attributes['data-kind'],
    isShown: (id: string) => !part(id).hidden,
    buttons: () => part('wallets').children,
    rows: (id: string) => part(id).children.map((row) => row.children.map(({ textContent }) => textContent)),
    /** Presses the button with this text and waits for its end. */
    async press(text: string): Promise<void> {
      const button = part('wallets').children.find(({ textContent }) => textContent === text)
      if (!button?.listeners.click) throw new Error(`there is no button "${text}"`)
      await button.listeners.click()
    },
  }
}
