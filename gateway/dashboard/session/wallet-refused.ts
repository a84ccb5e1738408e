// The owner of the wallet said no, or the wallet could not. Its message is one sentence for them.

export class WalletRefused extends Error {
  override readonly name = 'WalletRefused'
}
