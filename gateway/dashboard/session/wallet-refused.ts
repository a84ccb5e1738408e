// The owner of the wallet said no, or the wallet could not. Its message is one sentence for them.

export class WalletRefused extends Error {
  override readonly name = 'WalletRefused'
}

/** EIP-1193 and EIP-1474 codes, in words. */
const SENTENCES: Readonly<Record<number, string>> = {
  4001: 'You declined in your wallet. Nothing was signed; you can try again.',
  4100: 'The wallet does not allow this page to use that account. Connect it in the wallet, then try again.',
  4200: 'The wallet cannot do this.',
  4900: 'The wallet is not connected to any network.',
  4901: 'The wallet is not connected to this network.',
  4902: 'The wallet does not know this network. Add it in the wallet, then try again.',
  [-32_002]: 'The wallet has an open request already. Open the wallet and answer it there.',
}

/** What an EIP-1193 provider threw, as one sentence of ours: its own words are never shown. */
export function refusedBy(cause: unknown): WalletRefused {
  if (cause instanceof WalletRefused) return cause
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? Number(cause.code) : NaN
  return new WalletRefused(SENTENCES[code] ?? 'The wallet could not do this. Look into the wallet, then try again.', {
    cause,
  })
}
