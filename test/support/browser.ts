// A real Chromium (Debian's) for stories in the dashboard, and a test wallet that announces itself as EIP-6963 asks. Without a browser the stories are
// reported as skipped; in CI that is a failure.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { hexToString, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const PLACES = [process.env.SOUK_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
export const browserPath = PLACES.find((path) => path !== undefined && existsSync(path)) ?? null
if (browserPath === null && process.env.CI)
  throw new Error('No Chromium: install the package "chromium", or name one in SOUK_CHROMIUM.')

/** What keeps a browser from asking for anything outside: each of these is a service of its maker. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(): Promise<Browser> {
  if (browserPath === null) throw new Error('no browser')
  return chromium.launch({ executablePath: browserPath, args: QUIET })
}

export interface TestWallet {
  /** of the account it began with, as the key */
  readonly address: string
  readonly privateKey: Hex
  /** what it was asked to sign, newest last */
  readonly asked: string[]
  /** how it answers from now on */
  behave(next: 'sign' | 'refuse'): void
  /** its owner chooses another account in it, and it tells every page */
  changeAccount(privateKey: Hex): Promise<void>
  /** the chain it is on; `null` in `knows`: it knows no other */
  changeChain(chainId: number, knows?: 'any' | null): void
}

/** Puts a wallet with this key into every page of the context. Its private key stays in the test. */
export async function giveWallet(context: BrowserContext, privateKey: Hex, name = 'Test Wallet'): Promise<TestWallet> {
  let account = privateKeyToAccount(privateKey)
  let chain = { id: 8_453, knows: 'any' as 'any' | null }
  const asked: string[] = []
  let behaviour: 'sign' | 'refuse' = 'sign'
  await context.exposeFunction('__walletRequest', async (method: string, params: readonly unknown[]) => {
    if (method === 'eth_requestAccounts' || method === 'eth_accounts') return { result: [account.address] }
    if (method === 'eth_chainId') return { result: `0x${chain.id.toString(16)}` }
    if (behaviour === 'refuse') return { error: { code: 4001, message: 'User rejected the request.' } }
    if (method === 'wallet_switchEthereumChain') {
      if (chain.knows === null) return { error: { code: 4902, message: 'Unrecognized chain.' } }
      chain = { ...chain, id: Number((params[0] as { chainId: string }).chainId) } // EIP-3326 fixes the shape
      return { result: null }
    }
    if (method === 'personal_sign') {
      const message = hexToString(params[0] as Hex)
      asked.push(message)
      return { result: await account.signMessage({ message }) }
    }
    if (method === 'eth_signTypedData_v4') {
      asked.push(String(params[1]))
      return { result: await account.signTypedData(JSON.parse(String(params[1]))) }
    }
    return { error: { code: 4200, message: 'Unsupported method.' } }
  })
  const script = await readFile(new URL('./wallet-in-page.js', import.meta.url), 'utf8')
  await context.addInitScript({ content: script.replace("'__NAME__'", JSON.stringify(name)) })
  return {
    address: account.address,
    privateKey,
    asked,
    behave: (next) => void (behaviour = next),
    async changeAccount(next) {
      account = privateKeyToAccount(next)
      const tell = `window.__walletTells('accountsChanged', ['${account.address}'])`
      await Promise.all(context.pages().map((page) => page.evaluate(tell)))
    },
    changeChain: (id, knows = 'any') => void (chain = { id, knows }),
  }
}

/** A device of its own for passkeys, whose owner is there and says yes (Chromium's virtual authenticator). */
export async function givePasskeys(page: Page, { hasPrf = true }: { hasPrf?: boolean } = {}): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      hasPrf,
    },
  })
}

/** What a page wrote to its console as errors or threw: a story ends with none of it. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(`threw: ${error.message}`))
  page.on('console', (message) => {
    // An answer of 401 or 404 is no fault of the page: the browser writes each down.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text())
  })
  return complaints
}
