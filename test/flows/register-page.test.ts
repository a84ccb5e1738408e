// An operator whose wallet lives in a browser registers a node: the program prints a link, the page of a real gateway asks a wallet with a real key, and
// the program goes on. Every way it can go wrong is told in words, and nothing is registered then.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publishModels, shippedManifests, signIn } from '../../gateway/local/accounts.ts'
import { ROOT } from '../../gateway/local/root.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { base64url, fromBase64url, utf8ToBytes } from '../../protocol/canonical.ts'
import { RegisterNodeRequest } from '../../protocol/node.ts'
import { loadConfig } from '../../provider-node/config.ts'
import { loadIdentity } from '../../provider-node/identity.ts'
import { spawnGateway, type GatewayHandle } from '../support/gateway-process.ts'
import { aWallet, openPage, type WalletFaults } from '../support/page.ts'

const operator = privateKeyToAccount(generatePrivateKey())
const other = privateKeyToAccount(generatePrivateKey())
const NOTE = 'Read below what is signed, then choose your wallet.'

let folder = ''
let home = ''
let gateway: GatewayHandle
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
})
afterAll(async () => {
  waiting.child.kill('SIGKILL')
  await gateway.kill()
  await rm(folder, { recursive: true, force: true })
})

function souk(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'provider-node/cli.ts', ...args, '--home', home], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: folder },
  })
  const text = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), ...text }))
  /** What it has said, once that matches. */
  const said = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(`${text.out}${text.err}`)
      if (found) return found[0]
      if (child.exitCode !== null) throw new Error(`it ended: ${text.err}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return { child, ended, said }
}

const requestIn = (url: string): Record<string, unknown> =>
  Object(JSON.parse(new TextDecoder().decode(fromBase64url(new URL(url).hash.slice(1)))))
const linkWith = (change: object): string =>
  `${gateway.url}/register#${base64url(utf8ToBytes(JSON.stringify({ ...requestIn(link), ...change })))}`
const registered = async () => Number((await gateway.query('DB', 'SELECT count(*) AS n FROM nodes'))[0]?.n)

describe('the page for browser wallets', () => {
  it('shows plainly what is signed and what is sent, as text', async () => {
    const page = await openPage({ link, announced: { Fox: aWallet(operator) } })
    expect([page.text('status'), page.isShown('request')]).toEqual([NOTE, true])
    const { nodeKey, settlementAddress } = await loadIdentity(home)
    for (const part of [operator.address, nodeKey, settlementAddress]) expect(page.text('signed')).toContain(part)
    expect(await waiting.said(/this node's key: \S+/)).toContain(nodeKey)
    expect(page.text('sent')).toContain('<b>my</b> machine')
    expect(page.text('sent')).toContain('by its own link')
    expect(page.text('sent')).toContain(gateway.url)
    expect(page.rows('offers')).toEqual([['souk/language-id', '$0', '$0', '$0', '$0.01', '$0.000001']])
  })

  it('carries no secret in its link', async () => {
    expect(Object.keys(requestIn(link)).sort()).toEqual(
      Object.keys(RegisterNodeRequest.shape)
        .filter((field) => field !== 'signature')
        .sort(),
    )
  })

  it.each<[string, WalletFaults, RegExp]>([
    ['the connection is declined', { throws: { eth_requestAccounts: { code: 4001 } } }, /^You declined the connection/],
    ['the sign-in is declined', { throws: { personal_sign: { code: 4001 } } }, /^You declined the sign-in/],
    [
      'the authorisation is declined',
      { throws: { eth_signTypedData_v4: { code: 4001 } } },
      /^You declined the authorisation .* Nothing was registered; you can try again\.$/,
    ],
    ['another request is open', { throws: { eth_requestAccounts: { code: -32_002 } } }, /has an open request already/],
    ['the account is not allowed', { throws: { personal_sign: { code: 4100 } } }, /does not allow this page/],
    ['the network is unknown', { chainId: 1, canSwitch: false }, /this gateway needs chain 8453\. Add or choose it/],
    [
      'the change of network is declined',
      { chainId: 1, throws: { wallet_switchEthereumChain: { code: 4001 } } },
      /^You declined the change of network/,
    ],
    [
      'the wallet fails in its own words',
      { throws: { personal_sign: new Error('the ledger is asleep') } },
      /^The wallet could not do the sign-in: the ledger is asleep$/,
    ],
  ])('says in words that %s, registers nothing, and lets one try again', async (_, faults, words) => {
    const page = await openPage({ link, announced: { Fox: aWallet(operator, faults) } })
    await page.press('Sign with Fox')
    expect([page.text('status'), page.kind()]).toEqual([expect.stringMatching(words), 'wrong'])
    expect(page.buttons().map(({ disabled }) => disabled)).toEqual([false])
    expect(await registered()).toBe(0)
  })

  it('says which account the wallet is on and which is wanted', async () => {
    const wallet = aWallet(other)
    const page = await openPage({ link, injected: wallet })
    await page.press('Sign with the wallet of this browser')
    expect(page.text('status')).toBe(
      `The wallet is on the account ${other.address.toLowerCase()}, and this link is for ${operator.address}. ` +
        'Change the account in the wallet, and try again.',
    )
    expect(wallet.asked).toEqual(['eth_requestAccounts'])
  })

  it.each<[string, () => string, RegExp]>([
    ['has expired', () => linkWith({ deadline: 1_700_000_000 }), /^This link has expired/],
    ['is cut off', () => link.slice(0, -40), /^This link is damaged/],
    ['is empty', () => `${gateway.url}/register`, /^This page is opened by a link/],
    [
      'is another thing',
      () => `${gateway.url}/register#${base64url(utf8ToBytes('{"a":1}'))}`,
      /^This link is not complete/,
    ],
    ['is null', () => `${gateway.url}/register#${base64url(utf8ToBytes('null'))}`, /^This link is not complete/],
  ])('says that the link %s, and offers no wallet', async (_, url, words) => {
    const page = await openPage({ link: url(), announced: { Fox: aWallet(operator) } })
    expect([page.text('status'), page.kind()]).toEqual([expect.stringMatching(words), 'wrong'])
    expect(page.buttons()).toEqual([])
  })

  it('shows every price that a doctored link could change', async () => {
    const prices = { inputPerMillion: '1', cachedInputPerMillion: '0.25', outputPerMillion: '2', bytesPerMillion: '3' }
    const page = await openPage({ link: linkWith({ offers: [{ model: 'a/b', prices: { ...prices, perCall: '4' } }] }) })
    expect(page.rows('offers')).toEqual([['a/b', '$1', '$0.25', '$2', '$3', '$4']])
  })

  it('says that there is no wallet', async () => {
    const page = await openPage({ link })
    expect(page.text('status')).toMatch(/^No wallet was found in this browser\./)
  })

  it.each<[string, object, RegExp]>([
    ['a changed endpoint', { endpoint: 'https://elsewhere.example' }, /The node key has not signed this registration/],
    ['a changed deadline', { deadline: Math.floor(Date.now() / 1_000) + 60 }, /The node key has not signed/],
    [
      'an unknown model',
      {
        offers: [
          {
            ...Object(null),
            model: 'no/such',
            digest: 'a'.repeat(64),
            prices: { inputPerMillion: '0', outputPerMillion: '0' },
            contextTokens: 1,
            outputTokensMax: 0,
            concurrencyMax: 1,
          },
        ],
      },
      /There is no such model/,
    ],
  ])('tells the refusal of the gateway: %s', async (_, change, words) => {
    const page = await openPage({ link: linkWith(change), announced: { Fox: aWallet(operator) } })
    await page.press('Sign with Fox')
    expect([page.text('status'), page.kind()]).toEqual([expect.stringMatching(words), 'wrong'])
    expect(await registered()).toBe(0)
  })

  it('says that the gateway does not answer', async () => {
    const silent = () => Promise.reject(new TypeError('failed'))
    const page = await openPage({ link, announced: { Fox: aWallet(operator) }, fetch: silent })
    await page.press('Sign with Fox')
    expect(page.text('status')).toBe('The gateway does not answer. Nothing is lost: try again.')
  })

  it('signs in, changes the network, authorises and registers; no session is left, and the program goes on', async () => {
    const wallet = aWallet(operator, { chainId: 1 })
    const page = await openPage({ link, announced: { Fox: wallet, Bear: aWallet(other) } })
    expect(page.buttons().map(({ textContent }) => textContent)).toEqual(['Sign with Fox', 'Sign with Bear'])
    await page.press('Sign with Fox')
    expect([page.text('status'), page.kind()]).toEqual([
      expect.stringMatching(/^Registered: <b>my<\/b> machine is node_\w{16}, pending/),
      'done',
    ])
    expect(wallet.asked).toEqual([
      ...['eth_requestAccounts', 'eth_chainId', 'wallet_switchEthereumChain', 'eth_chainId'],
      ...['personal_sign', 'eth_signTypedData_v4'],
    ])
    const open =
      'SELECT count(*) AS n FROM sessions JOIN wallets USING (account_id) WHERE revoked_at IS NULL AND wallets.address = ?'
    expect(await gateway.query('DB', open, operator.address)).toEqual([{ n: 0 }])
    const { code, out } = await waiting.ended
    expect([code, out.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^node {3}node_\\w{16} of operator ${operator.address}$`)),
    ])
    const { nodeId } = await loadConfig(home, {})
    expect(page.text('status')).toContain(nodeId)
  })

  it('has nothing to sign when it is registered like this already', async () => {
    const again = await souk('register', '--browser', '--operator', operator.address).ended
    expect([again.code, again.err]).toEqual([
      0,
      'This node is registered exactly like this already: there is nothing to sign.\n',
    ])
  })
})
