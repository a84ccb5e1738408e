// Which wallet signed in last in this browser: no secret, only so that a change of account in that wallet is noticed. As whom, the gateway says.

export interface KeptWallet {
  readonly address: string
  /** as of Signer */
  readonly kind: string
}

const PLACE = 'souk-wallet'

export function keepWallet({ address, kind }: KeptWallet): void {
  localStorage.setItem(PLACE, JSON.stringify({ address, kind }))
}

export function forgetWallet(): void {
  localStorage.removeItem(PLACE)
}

export function keptWallet(): KeptWallet | null {
  const text = localStorage.getItem(PLACE)
  if (text === null) return null
  try {
    const { address, kind } = Object(JSON.parse(text))
    return typeof address === 'string' && typeof kind === 'string' ? { address, kind } : null
  } catch {
    // Somebody else's text stands there: as good as none.
    return null
  }
}
