// An operator whose wallet lives in a browser registers a node: the program prints a link, the page of a real gateway asks a wallet with a real key, and
// the program goes on. Every way it can go wrong is told in words, and nothing is registered then.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { publishModels, shippedManifests, signIn } from '../../gateway/local/accounts.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { base64url, fromBase64url, utf8ToBytes } from '../../protocol/canonical.ts'
import { RegisterNodeRequest } from '../../protocol/node.ts'
import { loadConfig } from '../../provider-node/config.ts'
import { loadIdentity } from '../../provider-node/identity.ts'
import { spawnGateway, type GatewayHandle } from '../support/gateway-process.ts'
import { browserPath, complaintsOf, openBrowser } from '../support/browser.ts'
import { aWallet, putWallets, type WalletFaults, type WalletsInPage } from '../support/faulty-wallet.ts'
import { soukCommand } from '../support/souk-command.ts'

const operator = privateKeyToAccount(generatePrivateKey())
const other = privateKeyToAccount(generatePrivateKey())

let folder = ''
let home = ''
let gateway: GatewayHandle
let browser: Browser
/** what the program printed */
let link = ''
let waiting: ReturnType<typeof souk>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'souk-page-'))
  home = join(folder, 'node')
  const wallets = await loadWallets(join(folder, 'gateway'))
  gateway = await spawnGateway({
    stateDir: join(folder, 'gateway'),
    port: 0,
    vars: { SOUK_ADMINS: wallets.admin.address },
  })
  await publishModels(await signIn(gateway.url, wallets.admin), wallets.admin, shippedManifests())
  const init = souk('init', '--gateway', gateway.url, '--name', '<b>my</b> machine', '--model', 'language-id')
  expect((await init.ended).code).toBe(0)
  waiting = souk('register', '--browser', '--operator', operator.address.toLowerCase())
  link = await waiting.said(/http\S+#\S+/)
  if (browserPath !== null) browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  waiting.child.kill('SIGKILL')
  await gateway.kill()
  await rm(folder, { recursive: true, force: true })
})

const souk = (...args: string[]) => soukCommand(args, { home, folder })

const requestIn = (url: string): Record<string, unknown> =>
  Object(JSON.parse(new TextDecoder().decode(fromBase64url(new URL(url).hash.slice(1)))))
const linkWith = (change: object): string =>
  `${gateway.url}/register#${base64url(utf8ToBytes(JSON.stringify({ ...requestIn(link), ...change })))}`
const anOffer = (change: object) => ({
  ...{ model: 'a/b', digest: 'a'.repeat(64), contextTokens: 1, outputTokensMax: 0, concurrencyMax: 1 },
  ...{ prices: { inputPerMillion: '0', outputPerMillion: '0' }, ...change },
})
const registered = async () => Number((await gateway.query('DB', 'SELECT count(*) AS n FROM nodes'))[0]?.n)

describe.skipIf(browserPath === null)('the page for browser wallets', () => {
  const open: BrowserContext[] = []
  const complaints: string[] = []

  /** The page of a link in a browser of its own, and what a person sees of it. */
  async function openPage(url: string, wallets: WalletsInPage = {}) {
    const context = await browser.newContext()
    open.push(context)
    await putWallets(context, wallets)
    const page = await context.newPage()
    complaints.push(...(await watched(page, () => page.goto(url))))
    await page.getByRole('heading', { name: 'Register a node', level: 1 }).waitFor()
    const main = page.getByRole('main')
    return {
      page,
      main,
      press: (name: string) => main.getByRole('button', { name, exact: true }).click(),
      refusal: async () => (await main.getByRole('alert').first().textContent()) ?? '',
      signers: () => main.getByRole('button', { name: /^Sign with/ }),
      table: (name: string) => main.getByRole('table', { name }),
      offers: async () =>
        Promise.all(
          (await main.getByRole('region', { name: 'Offers' }).getByRole('row').all())
            .slice(1)
            .map(async (row) => row.getByRole('cell').allTextContents()),
        ),
    }
  }
  async function watched(page: Page, run: () => Promise<unknown>): Promise<string[]> {
    const found = complaintsOf(page)
    await run()
    return found
  }
  afterEach(async () => {
    await Promise.all(open.splice(0).map((context) => context.close()))
    expect(complaints).toEqual([])
  })

  it('shows plainly what is signed and what is sent, as text', async () => {
    const { table, main, signers, offers } = await openPage(link, { announced: { Fox: aWallet(operator) } })
    await signers().waitFor()
    const { nodeKey, settlementAddress } = await loadIdentity(home)
    const signed = await table('What your wallet authorises').textContent()
    for (const part of [operator.address, nodeKey, settlementAddress]) expect(signed).toContain(part)
    expect(await waiting.said(/this node's key: \S+/)).toContain(nodeKey)
    const sent = await table('What is registered with it').textContent()
    for (const part of ['<b>my</b> machine', 'by its own link', gateway.url]) expect(sent).toContain(part)
    expect(await main.locator('b').count()).toBe(0)
    expect(await offers()).toEqual([['souk/language-id', '$0.00', '$0.00', '$0.00', '$0.01', '$0.000001']])
  })

  it('carries no secret in its link', () => {
    expect(Object.keys(requestIn(link)).sort()).toEqual(
      Object.keys(RegisterNodeRequest.shape)
        .filter((field) => field !== 'signature')
        .sort(),
    )
  })

  it('asks nobody but this gateway for anything, and sends nothing of the link before it is signed', async () => {
    const context = await browser.newContext()
    open.push(context)
    await putWallets(context, { announced: { Fox: aWallet(operator) } })
    const page = await context.newPage()
    const asked: string[] = []
    page.on('request', (request) => asked.push(`${request.url()} ${request.postData() ?? ''}`))
    await page.goto(link)
    await page.getByRole('button', { name: 'Sign with Fox' }).waitFor()
    const { nodeKey } = await loadIdentity(home)
    expect(asked.filter((one) => !one.startsWith(gateway.url) && !one.startsWith('data:'))).toEqual([])
    // The first is the address itself; its part behind the # is not sent.
    expect(
      asked.slice(1).filter((one) => one.includes(nodeKey) || one.includes(new URL(link).hash.slice(1, 60))),
    ).toEqual([])
  })

  it.each<[string, WalletFaults, RegExp]>([
    [
      'the connection is declined',
      { throws: { eth_requestAccounts: { code: 4001 } } },
      /You declined in your wallet\. Nothing was signed/,
    ],
    [
      'the sign-in is declined',
      { throws: { personal_sign: { code: 4001 } } },
      /You declined in your wallet\. Nothing was signed/,
    ],
    [
      'the authorisation is declined',
      { throws: { eth_signTypedData_v4: { code: 4001 } } },
      /You declined in your wallet\. Nothing was signed; you can try again\.$/,
    ],
    ['another request is open', { throws: { eth_requestAccounts: { code: -32_002 } } }, /has an open request already/],
    ['the account is not allowed', { throws: { personal_sign: { code: 4100 } } }, /does not allow this page/],
    [
      'the network is unknown',
      { chainId: 1, canSwitch: false },
      /the network with chain id 8453\. The wallet does not know this network/,
    ],
    [
      'the change of network is declined',
      { chainId: 1, throws: { wallet_switchEthereumChain: { code: 4001 } } },
      /the network with chain id 8453\. You declined/,
    ],
    [
      'the wallet fails, in our words and not its own',
      { throws: { personal_sign: new Error('the ledger is asleep') } },
      /The wallet could not do this\. Look into the wallet, then try again\.$/,
    ],
  ])('says in words that %s, registers nothing, and lets one try again', async (_, faults, words) => {
    const { press, refusal, signers } = await openPage(link, { announced: { Fox: aWallet(operator, faults) } })
    await press('Sign with Fox')
    expect(await refusal()).toMatch(words)
    expect(await signers().isEnabled()).toBe(true)
    expect(await registered()).toBe(0)
  })

  it('says which account the wallet of before is on and which is wanted', async () => {
    const wallet = aWallet(other)
    const { press, refusal } = await openPage(link, { injected: wallet })
    await press('Sign with the wallet of this browser')
    expect(await refusal()).toContain(
      `The wallet is on the account ${other.address.toLowerCase()}, and this link is for ${operator.address}. ` +
        'Change the account in the wallet, and try again.',
    )
    expect(wallet.asked.filter((method) => !['eth_requestAccounts', 'eth_accounts'].includes(method))).toEqual([])
  })

  it.each<[string, () => string, RegExp]>([
    ['has expired', () => linkWith({ deadline: 1_700_000_000 }), /This link has expired/],
    ['is cut off', () => link.slice(0, -40), /This link is damaged/],
    [
      'is another thing',
      () => `${gateway.url}/register#${base64url(utf8ToBytes('{"a":1}'))}`,
      /This link is not complete/,
    ],
    ['is null', () => `${gateway.url}/register#${base64url(utf8ToBytes('null'))}`, /This link is not complete/],
  ])('says that the link %s, and offers no wallet', async (_, url, words) => {
    const { page, refusal, signers } = await openPage(url(), { announced: { Fox: aWallet(operator) } })
    expect(await refusal()).toMatch(words)
    // All that could still come has come by then.
    await page.waitForLoadState('networkidle')
    expect(await signers().count()).toBe(0)
  })

  it('says without a link where one comes from', async () => {
    const { main, page, signers } = await openPage(`${gateway.url}/register`, { announced: { Fox: aWallet(operator) } })
    await main.getByText('This page is opened by a link').waitFor()
    await page.waitForLoadState('networkidle')
    expect(await signers().count()).toBe(0)
  })

  it('shows every price that a doctored link could change', async () => {
    const prices = { inputPerMillion: '1', cachedInputPerMillion: '0.25', outputPerMillion: '2', bytesPerMillion: '3' }
    const { offers } = await openPage(
      linkWith({ offers: [anOffer({ model: 'a/b', prices: { ...prices, perCall: '4' } })] }),
    )
    expect(await offers()).toEqual([['a/b', '$1.00', '$0.25', '$2.00', '$3.00', '$4.00']])
  })

  it('says that there is no wallet', async () => {
    const { main } = await openPage(link)
    await main.getByText(/^No wallet was found in this browser\./).waitFor()
  })

  it.each<[string, object, RegExp]>([
    ['a changed endpoint', { endpoint: 'https://elsewhere.example' }, /The node key has not signed this registration/],
    ['a changed deadline', { deadline: Math.floor(Date.now() / 1_000) + 1_800 }, /The node key has not signed/],
    ['an unknown model', { offers: [anOffer({ model: 'no/such' })] }, /There is no such model/],
  ])('tells the refusal of the gateway: %s', async (_, change, words) => {
    const { press, refusal } = await openPage(linkWith(change), { announced: { Fox: aWallet(operator) } })
    await press('Sign with Fox')
    expect(await refusal()).toMatch(words)
    expect(await registered()).toBe(0)
  })

  it('says that the gateway does not answer', async () => {
    const { page, press, refusal, signers } = await openPage(link, { announced: { Fox: aWallet(operator) } })
    await signers().waitFor()
    await page.route('**/auth/nonce', (route) => route.abort())
    await press('Sign with Fox')
    expect(await refusal()).toContain('The gateway cannot be reached.')
    // The browser itself writes a failed request down.
    complaints.splice(0)
  })

  it('signs in, changes the network, authorises and registers, and the program goes on', async () => {
    const wallet = aWallet(operator, { chainId: 1 })
    const { main, press, signers } = await openPage(link, { announced: { Fox: wallet, Bear: aWallet(other) } })
    await signers().first().waitFor()
    expect(await signers().allTextContents()).toEqual(['Sign with Fox', 'Sign with Bear'])
    await press('Sign with Fox')
    const outcome = main.getByRole('status').filter({ hasText: 'Registered: <b>my</b> machine' })
    await outcome.waitFor()
    const { code, out } = await waiting.ended
    expect([code, out.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^node {3}node_\\w{16} of operator ${operator.address}$`)),
    ])
    const { nodeId } = await loadConfig(home, {})
    expect(await outcome.textContent()).toContain(`It is ${nodeId}, pending`)
    const steps = ['personal_sign', 'wallet_switchEthereumChain', 'eth_signTypedData_v4']
    expect(wallet.asked.filter((method) => steps.includes(method))).toEqual(steps)
    await main.getByRole('link', { name: 'See the node' }).click()
    await main.getByRole('heading', { name: '<b>my</b> machine', level: 1 }).waitFor()
  })

  it('has nothing to sign when it is registered like this already', async () => {
    const again = await souk('register', '--browser', '--operator', operator.address).ended
    expect([again.code, again.err]).toEqual([
      0,
      'This node is registered exactly like this already: there is nothing to sign.\n',
    ])
  })
})
