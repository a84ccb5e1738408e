// A browser wallet as a signer. Typed data names a chain, and wallets sign it only while they are on that chain: then they are asked to change (EIP-3326).
import { stringToHex } from 'viem'
import { accountIn, ask, connect, type BrowserWallet, type Provider } from './browser-wallets.ts'
import { isSameAddress, type Signer, type TypedData } from './signer.ts'
import { WalletRefused } from './wallet-refused.ts'

/** @throws WalletRefused when its owner does not connect */
export async function browserSigner(wallet: BrowserWallet): Promise<Signer> {
  const { provider, name, rdns } = wallet
  const address = await connect(wallet)
  return {
    address,
    name,
    kind: rdns,
    async sign(message) {
      await stillOn(provider, address)
      return asHex(await ask(provider, 'personal_sign', [stringToHex(message), address]))
    },
    async signTypedData(data) {
      await stillOn(provider, address)
      await goToChain(provider, data.domain.chainId)
      return asHex(await ask(provider, 'eth_signTypedData_v4', [address, typedDataJson(data)]))
    },
  }
}

/** Its owner may have changed the account since it was connected: nothing is signed as another than the one shown. */
async function stillOn(provider: Provider, address: string): Promise<void> {
  const now = accountIn(await ask(provider, 'eth_accounts'))
  if (now !== null && !isSameAddress(now, address))
    throw new WalletRefused(`The wallet is on the account ${now} now, and not on ${address} any more. Begin again.`)
}

/** @throws WalletRefused: declined, or a chain the wallet does not know */
async function goToChain(provider: Provider, chainId: number): Promise<void> {
  const wanted = `0x${chainId.toString(16)}`
  if (Number(await ask(provider, 'eth_chainId')) === chainId) return
  try {
    await ask(provider, 'wallet_switchEthereumChain', [{ chainId: wanted }])
  } catch (cause) {
    const words = cause instanceof WalletRefused ? cause.message : ''
    throw new WalletRefused(`This is signed on the network with chain id ${chainId}. ${words}`, { cause })
  }
}

const DOMAIN = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
]

/** What `eth_signTypedData_v4` takes: with the domain's own type, and numbers too long for JSON as text. */
function typedDataJson(data: TypedData): string {
  const asText = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)
  return JSON.stringify({ ...data, types: { EIP712Domain: DOMAIN, ...data.types } }, asText)
}

/** A contract wallet's answer may be long (EIP-6492); what is no hex is no signature. */
function asHex(value: unknown): string {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]+$/.test(value))
    throw new WalletRefused('The wallet answered with something that is no signature.')
  return value
}
