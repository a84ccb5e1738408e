// The way into the dashboard, in a real browser with a wallet that holds a real key: signing in and coming back to where one was, every way it can be
// refused, another account in the wallet, a session that ends, a wallet sealed by a passkey. And the account behind it (way-in-account.ts).
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Hex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { browserPath, complaintsOf, givePasskeys, giveWallet, openBrowser } from '../support/browser.ts'
import { startMarket, type Market } from '../support/market.ts'
import { accountStories } from './way-in-account.ts'

describe.skipIf(browserPath === null)('the way in', () => {
  let market: Market
  let browser: Browser
  let url = ''
  const contexts: BrowserContext[] = []

  beforeAll(async () => {
    ;[market, browser] = await Promise.all([startMarket({ nodes: 0 }), openBrowser()])
    // Passkeys belong to a name.
    url = market.url.replace('127.0.0.1', 'localhost')
  })
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()))
  })
  afterAll(async () => {
    await browser.close()
    await market.stop()
  })

  async function aVisitor(privateKey = generatePrivateKey()) {
    const context = await browser.newContext()
    contexts.push(context)
    const wallet = await giveWallet(context, privateKey)
    const page = await context.newPage()
    return { context, wallet, page, complaints: complaintsOf(page) }
  }
  const signIn = (page: Page) => page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
  const signedInAs = async (page: Page) => {
    const reply = await page.request.get(`${url}/api/account`)
    return reply.ok() ? ((await reply.json()) as { wallets: { address: string }[] }).wallets[0]?.address : null // protocol/auth.ts
  }

  it('asks for a sign-in in the place of the page, shows what is signed, and then shows the page', async () => {
    const { page, wallet, complaints } = await aVisitor()
    await page.goto(`${url}/keys?from=a%20link`)
    await heading(page, 'Sign in')
    await signIn(page)
    await heading(page, 'API keys')
    expect(page.url()).toBe(`${url}/keys?from=a%20link`)
    expect(wallet.asked).toHaveLength(1)
    expect(wallet.asked[0]).toMatch(/^localhost:\d+ wants you to sign in with your Ethereum account:\n0x/)
    expect(await signedInAs(page)).toBe(wallet.address)
    expect(complaints).toEqual([])
  })

  it('shows the very text while the wallet waits', async () => {
    const { page, wallet } = await aVisitor()
    let shown = ''
    await page.goto(`${url}/sign-in`)
    await page.exposeFunction('__seen', (text: string) => void (shown = text))
    await page.evaluate(`new MutationObserver(() => {
      const text = document.querySelector('pre')?.textContent
      if (text?.includes('wants you to sign in')) void window.__seen(text)
    }).observe(document.body, { childList: true, subtree: true })`)
    await signIn(page)
    await heading(page, 'Overview')
    expect(shown).toBe(wallet.asked[0])
  })

  it.each([
    ['/calls?model=a#here', '/calls?model=a#here'],
    ['//elsewhere.example/x', '/overview'],
    ['/\\elsewhere.example', '/overview'],
    ['https://elsewhere.example', '/overview'],
    ['javascript:alert(1)', '/overview'],
    ['/%09/elsewhere.example', '/%09/elsewhere.example'],
    ['/\t/elsewhere.example', '/overview'],
  ])('goes on from the sign-in page to %j: %s', async (from, there) => {
    const { page, complaints } = await aVisitor()
    await page.goto(`${url}/sign-in?from=${encodeURIComponent(from)}`)
    await signIn(page)
    await page.waitForURL((at) => at.pathname !== '/sign-in')
    expect(page.url()).toBe(`${url}${there}`)
    expect(complaints).toEqual([])
  })

  it('says that the owner declined, and lets them try again', async () => {
    const { page, wallet } = await aVisitor()
    wallet.behave('refuse')
    await page.goto(`${url}/sign-in`)
    await signIn(page)
    await page.getByText('You declined in your wallet. Nothing was signed; you can try again.').waitFor()
    expect(await signedInAs(page)).toBeNull()
    wallet.behave('sign')
    await signIn(page)
    await heading(page, 'Overview')
  })

  it('says when the wallet is on another account, stays who it was, and changes when asked', async () => {
    const { page, wallet } = await aVisitor()
    const next = generatePrivateKey()
    await page.goto(`${url}/keys`)
    await signIn(page)
    await heading(page, 'API keys')
    await wallet.changeAccount(next)
    await page.getByText('Your wallet is on another account').waitFor()
    expect(await signedInAs(page)).toBe(wallet.address)
    await page.getByRole('link', { name: /^Sign in as 0x/ }).click()
    await signIn(page)
    await heading(page, 'API keys')
    expect(await signedInAs(page)).toBe(privateKeyToAccount(next).address)
    expect(await page.getByText('Your wallet is on another account').count()).toBe(0)
  })

  it('comes back to the same page when the session has ended meanwhile', async () => {
    const { page, wallet } = await aVisitor()
    await page.goto(`${url}/settings`)
    await signIn(page)
    await heading(page, 'Settings')
    await market.query('DB', 'DELETE FROM sessions WHERE address = ?', wallet.address)
    await page.reload()
    await heading(page, 'Sign in')
    await signIn(page)
    await heading(page, 'Settings')
  })

  it('says what a lost device means, seals a wallet with a passkey, and signs in with it', async () => {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    const complaints = complaintsOf(page)
    await givePasskeys(page)
    await page.goto(`${url}/sign-in`)
    await page.getByRole('button', { name: 'I have no wallet' }).click()
    await page.getByText('If you lose this device').waitFor()
    await page.getByRole('button', { name: 'Make a passkey wallet and sign in' }).click()
    await heading(page, 'Overview')
    const address = await signedInAs(page)
    const kept = String(await page.evaluate(`localStorage.getItem('souk-passkey-wallets')`))
    expect(JSON.parse(kept)).toMatchObject([{ version: 1, address }])

    await context.clearCookies()
    await page.goto(`${url}/keys`)
    await page.getByRole('button', { name: /^Sign in with the passkey wallet 0x/ }).click()
    await heading(page, 'API keys')
    expect(await signedInAs(page)).toBe(address)
    expect(complaints).toEqual([])
  })

  it('makes no wallet with a passkey that cannot seal, and says so', async () => {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    await givePasskeys(page, { hasPrf: false })
    await page.goto(`${url}/sign-in`)
    await page.getByRole('button', { name: 'I have no wallet' }).click()
    await page.getByRole('button', { name: 'Make a passkey wallet and sign in' }).click()
    await page.getByText(/lacks the PRF extension/).waitFor()
    expect(await page.evaluate(`localStorage.getItem('souk-passkey-wallets')`)).toBeNull()
    expect(await signedInAs(page)).toBeNull()
  })

  it('opens nothing that was changed where it is kept', async () => {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    await givePasskeys(page)
    await page.goto(`${url}/sign-in`)
    await page.getByRole('button', { name: 'I have no wallet' }).click()
    await page.getByRole('button', { name: 'Make a passkey wallet and sign in' }).click()
    await heading(page, 'Overview')
    await context.clearCookies()
    // As if somebody had put their own address in the place of the one that was sealed.
    await page.evaluate(`localStorage.setItem('souk-passkey-wallets', localStorage.getItem('souk-passkey-wallets')
      .replace(/0x[0-9a-fA-F]{40}/, '0x1111111111111111111111111111111111111111'))`)
    await page.goto(`${url}/sign-in`)
    await page.getByRole('button', { name: 'Sign in with the passkey wallet 0x1111…1111' }).click()
    await page.getByText('This passkey does not open the key that is kept here.').waitFor()
    expect(await signedInAs(page)).toBeNull()
  })

  it('opens a page by a number without passkeys, and says where they work', async () => {
    const { page } = await aVisitor()
    await page.goto(`${market.url}/sign-in`)
    await page.getByRole('button', { name: 'I have no wallet' }).click()
    await page.getByText(/Passkeys belong to a name/).waitFor()
  })

  it('changes what becomes of prompts, ends every session by one button, and shows a passkey’s key only after the passkey', async () => {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    await givePasskeys(page)
    await page.goto(`${url}/settings`)
    await page.getByRole('button', { name: 'I have no wallet' }).click()
    await page.getByRole('button', { name: 'Make a passkey wallet and sign in' }).click()
    await heading(page, 'Settings')
    const address = String(await signedInAs(page))

    await page.getByRole('switch', { name: 'Only nodes that say they keep nothing' }).click()
    await page.getByText('Saved. It holds for every call from now on.').waitFor()
    const policy = await page.request.get(`${url}/api/account/policy`)
    expect(await policy.json()).toMatchObject({ dataCollection: 'deny', auditsAllowed: false })

    await page.getByRole('button', { name: 'Show the private key' }).click()
    await page.getByText('Whoever sees this key has the wallet').waitFor()
    await page.getByRole('button', { name: 'Use the passkey' }).click()
    await page.getByText('••••').waitFor()
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    const shown = await page.getByText(/^0x[0-9a-f]{64}$/).textContent()
    expect(privateKeyToAccount(shown as Hex).address).toBe(address) // matched above
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: 'Revoke keys and sessions' }).click()
    await page.getByText('No key of this account works any more').waitFor()
    await page.getByRole('button', { name: 'Revoke everything' }).click()
    await heading(page, 'Sign in')
    expect(await signedInAs(page)).toBeNull()
  })
  accountStories({
    get market() {
      return market
    },
    get url() {
      return url
    },
    ...{ aVisitor, signIn, heading },
  })
})
