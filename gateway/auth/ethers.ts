// Stand-in for the `ethers` package, which `siwe` imports for four functions (aliased in wrangler.toml and vitest.config.ts).
// Built on viem and noble, so the gateway's bundle is 480 KiB smaller. It promises never to throw over a signature: a malformed one
// recovers no address, because siwe would print what was thrown. Contract wallets (EIP-1271) need a chain and are not served yet.
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { getAddress, hashMessage, hexToBytes, type Hex } from 'viem'
import { publicKeyToAddress } from 'viem/accounts'

/** r ‖ s ‖ v, 65 bytes. Compact signatures (EIP-2098) are refused: no wallet answers `personal_sign` with one. */
const SIGNATURE = /^0x([0-9a-f]{128})(00|01|1b|1c)$/i
const NOBODY = ''

/** Checksummed address that signed `message` (EIP-191), '' for a signature that nobody can have made or that is malleable (high s). */
export function verifyMessage(message: string, signature: string): string {
  const match = SIGNATURE.exec(signature)
  if (!match) return NOBODY
  const [, compact = '', v = ''] = match
  try {
    const parsed = secp256k1.Signature.fromCompact(compact.toLowerCase())
    if (parsed.hasHighS()) return NOBODY
    const recovered = parsed
      .addRecoveryBit(Number.parseInt(v, 16) % 27)
      .recoverPublicKey(hexToBytes(hashMessage(message)))
    const publicKey: Hex = `0x${recovered.toHex(false)}`
    return publicKeyToAddress(publicKey)
  } catch {
    // r or s out of range, or r no x-coordinate of the curve: what noble throws about is exactly what has no signer.
    return NOBODY
  }
}

/** siwe asks a contract wallet only when it is given a provider, which the gateway never does. */
export class Contract {
  constructor() {
    throw new Error('contract wallets (EIP-1271) are not supported')
  }
}

export { getAddress, hashMessage }
/** ethers 6 is also one object of everything; siwe reads its functions from there. */
export const ethers = { getAddress, hashMessage, verifyMessage, Contract }
