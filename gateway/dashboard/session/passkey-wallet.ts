// A wallet for who has none: its private key is made here, sealed by a passkey (passkey-seal.ts) and opened for the length of one signature, after the
// passkey's owner was there. Nothing of it ever leaves this browser but what is exported by hand. Loaded when somebody asks for it.
import { bytesToHex, hexToBytes } from 'viem'
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { base64url, fromBase64url } from '../../../protocol/canonical.ts'
import { open, seal, storeSealedKey, type SealedKey } from './passkey-seal.ts'
import type { Signer, TypedData } from './signer.ts'
import { WalletRefused } from './wallet-refused.ts'

/** COSE: ES256, EdDSA, RS256. Only the PRF is used, so any will do. */
const ALGORITHMS = [-7, -8, -257].map((alg) => ({ type: 'public-key' as const, alg }))
const TIMEOUT_MS = 120_000
const SALT_BYTES = 32

/** Why no passkey can seal a key here, in one sentence; null: it can be tried. */
export async function whyNoPasskey(): Promise<string | null> {
  if (!window.isSecureContext || !('PublicKeyCredential' in window))
    return 'This browser knows no passkeys here. A browser wallet, such as an extension, still works.'
  if (/^[\d.]+$|:/.test(window.location.hostname))
    return 'Passkeys belong to a name, and this page was opened under a number. Open it under its name (for this machine: localhost).'
  const can = await PublicKeyCredential.getClientCapabilities?.().catch(() => undefined)
  if (can?.['extension:prf'] === false)
    return 'This browser cannot seal a key with a passkey (it lacks the PRF extension). Use a newer browser, or a browser wallet.'
  return null
}

/** Makes a passkey and a key, and keeps the key sealed. @throws WalletRefused */
export async function createPasskeyWallet(): Promise<SealedKey> {
  const privateKey = generatePrivateKey()
  const { address } = privateKeyToAccount(privateKey)
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES))
  const label = `Souk wallet ${address.slice(0, 6)}…${address.slice(-4)}`
  const credential = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { name: 'Souk', id: window.location.hostname },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name: label, displayName: label },
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: ALGORITHMS,
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        timeout: TIMEOUT_MS,
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  )
  const { prf } = credential.getClientExtensionResults()
  if (prf?.enabled !== true && prf?.results === undefined)
    throw new WalletRefused(
      'This passkey cannot seal a key (it lacks the PRF extension), so no wallet was made. You may delete the passkey in your system’s settings. Use another device, or a browser wallet.',
    )
  const of = { address, credentialId: base64url(new Uint8Array(credential.rawId)), prfSalt: base64url(salt) }
  // Some passkeys answer at once, others only when they are used.
  const answer = prf.results?.first ?? (await prfOf(of))
  const sealed = await seal(new Uint8Array(hexToBytes(privateKey)), of, answer)
  storeSealedKey(sealed)
  // Otherwise a browser short of space may throw it away.
  await navigator.storage?.persist?.().catch(() => false)
  return sealed
}

/** Asks for the passkey at each signature. */
export function passkeySigner(key: SealedKey): Signer {
  return {
    address: key.address,
    name: 'your passkey',
    kind: 'passkey',
    sign: async (message) => (await accountOf(key)).signMessage({ message }),
    signTypedData: async ({ domain, types, primaryType, message }: TypedData) =>
      (await accountOf(key)).signTypedData({ domain, types, primaryType, message }),
  }
}

/** After the passkey. @returns 0x-hex of 32 bytes. @throws WalletRefused */
export async function exportPrivateKey(key: SealedKey): Promise<`0x${string}`> {
  const prf = await prfOf(key)
  try {
    return bytesToHex(await open(key, prf))
  } catch (cause) {
    throw new WalletRefused('This passkey does not open the key that is kept here.', { cause })
  }
}

async function accountOf(key: SealedKey): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(await exportPrivateKey(key))
  if (account.address.toLowerCase() !== key.address.toLowerCase())
    throw new WalletRefused('The key that is kept here is not that of this address.')
  return account
}

async function prfOf({ credentialId, prfSalt }: Pick<SealedKey, 'credentialId' | 'prfSalt'>): Promise<BufferSource> {
  const credential = await asked(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rpId: window.location.hostname,
        allowCredentials: [{ type: 'public-key', id: new Uint8Array(fromBase64url(credentialId)) }],
        userVerification: 'required',
        timeout: TIMEOUT_MS,
        extensions: {
          prf: { evalByCredential: { [credentialId]: { first: new Uint8Array(fromBase64url(prfSalt)) } } },
        },
      },
    }),
  )
  const answer = credential.getClientExtensionResults().prf?.results?.first
  if (answer === undefined) throw new WalletRefused('The passkey did not answer with what opens the key.')
  return answer
}

/** A refusal and a time-out look alike to a page, by design of WebAuthn. */
async function asked(run: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null
  try {
    credential = await run()
  } catch (cause) {
    throw new WalletRefused('The passkey was not used: it was declined, took too long, or is not on this device.', {
      cause,
    })
  }
  if (!(credential instanceof PublicKeyCredential)) throw new WalletRefused('No passkey came of it.')
  return credential
}
