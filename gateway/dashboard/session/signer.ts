// Anything that signs for one address: a browser wallet, or one sealed by a passkey.

/** EIP-712, as `publicationOf` and its like in protocol/ make it. */
export interface TypedData {
  readonly domain: { readonly name: string; readonly version: string; readonly chainId: number }
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>
  readonly primaryType: string
  readonly message: Readonly<Record<string, unknown>>
}

export interface Signer {
  /** as the wallet spells it */
  readonly address: string
  /** how its owner calls it; of a browser wallet: what it says of itself, to be shown as text only */
  readonly name: string
  /** what to remember it by: the wallet's reverse domain name, or `passkey` */
  readonly kind: string
  /** EIP-191 personal message. @returns 0x-hex. @throws WalletRefused when its owner said no */
  sign(message: string): Promise<string>
  /** Asks the wallet to change to the data's chain first, where it is on another. @returns 0x-hex. @throws WalletRefused */
  signTypedData(data: TypedData): Promise<string>
}

export const isSameAddress = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
