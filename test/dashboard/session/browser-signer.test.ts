// A browser wallet that is asked for typed data: on which chain it signs, what its owner reads when it will not change, and as whom.
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { BrowserWallet } from '../../../gateway/dashboard/session/browser-wallets.ts'
import type { Signer, TypedData } from '../../../gateway/dashboard/session/signer.ts'

const ADDRESS = `0x${'ab'.repeat(20)}`
const OTHER = `0x${'cd'.repeat(20)}`
const DATA: TypedData = {
  domain: { name: 'Souk', version: '1', chainId: 8453 },
  types: { Word: [{ name: 'number', type: 'uint256' }] },
  primaryType: 'Word',
  message: { number: 2n ** 64n },
}

/** One on the chain 1; `refusals` by method: the code it throws. */
function aWallet(refusals: Readonly<Record<string, number>> = {}) {
  const asked: { method: string; params: readonly unknown[] }[] = []
  const now = { chainId: 1, account: ADDRESS }
  const answers: Readonly<Record<string, (params: readonly unknown[]) => unknown>> = {
    eth_requestAccounts: () => [now.account],
    eth_accounts: () => [now.account],
    eth_chainId: () => `0x${now.chainId.toString(16)}`,
    wallet_switchEthereumChain: ([chain]) => {
      now.chainId = Number(Object(chain).chainId)
      return null
    },
    eth_signTypedData_v4: () => '0x12',
  }
  const wallet: BrowserWallet = {
    ...{ uuid: 'u', name: 'Wallet', icon: null, rdns: 'test.wallet' },
    provider: {
      async request({ method, params = [] }) {
        asked.push({ method, params })
        const code = refusals[method]
        if (code !== undefined) throw Object.assign(new Error('words of the wallet'), { code })
        return answers[method]?.(params)
      },
    },
  }
  return { wallet, now, methods: () => asked.map(({ method }) => method), asked }
}

describe('a wallet on another chain', () => {
  let browserSigner: (wallet: BrowserWallet) => Promise<Signer>
  beforeAll(async () => {
    // Where wallets announce themselves; nothing else of a page is needed.
    vi.stubGlobal('window', new EventTarget())
    ;({ browserSigner } = await import('../../../gateway/dashboard/session/browser-signer.ts'))
  })

  it('is asked to change, and signs there', async () => {
    const { wallet, asked, methods } = aWallet()
    expect(await (await browserSigner(wallet)).signTypedData(DATA)).toBe('0x12')
    expect(methods().slice(-3)).toEqual(['eth_chainId', 'wallet_switchEthereumChain', 'eth_signTypedData_v4'])
    expect(asked.at(-2)?.params).toEqual([{ chainId: '0x2105' }])
    const [address, json] = asked.at(-1)?.params ?? []
    expect([address, JSON.parse(String(json)).message]).toEqual([ADDRESS, { number: '18446744073709551616' }])
  })

  it('is not asked when it is there already', async () => {
    const { wallet, now, methods } = aWallet()
    now.chainId = 8453
    await (await browserSigner(wallet)).signTypedData(DATA)
    expect(methods()).not.toContain('wallet_switchEthereumChain')
  })

  it.each([
    ['declines', 4001, 'You declined in your wallet. Nothing was signed; you can try again.'],
    ['does not know the chain', 4902, 'The wallet does not know this network. Add it in the wallet, then try again.'],
    ['cannot change at all', 4200, 'The wallet cannot do this.'],
    ['waits for its owner', -32_002, 'The wallet has an open request already. Open the wallet and answer it there.'],
    ['says something of its own', 7, 'The wallet could not do this. Look into the wallet, then try again.'],
  ])('signs nothing when it %s, and says which chain is wanted', async (_, code, words) => {
    const { wallet, methods } = aWallet({ wallet_switchEthereumChain: code })
    const signing = (await browserSigner(wallet)).signTypedData(DATA)
    await expect(signing).rejects.toThrow(`This is signed on the network with chain id 8453. ${words}`)
    expect(methods()).not.toContain('eth_signTypedData_v4')
  })

  it('signs nothing as another account than the one that was shown', async () => {
    const { wallet, now, methods } = aWallet()
    const signer = await browserSigner(wallet)
    now.account = OTHER
    await expect(signer.signTypedData(DATA)).rejects.toThrow(`The wallet is on the account ${OTHER} now`)
    expect(methods()).not.toContain('wallet_switchEthereumChain')
  })
})
