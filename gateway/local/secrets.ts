// The gateway's secrets and the development wallets of one state folder: made once, kept there, used nowhere else.
import { exportJWK, generateKeyPair } from 'jose'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { ExpectedFailure } from './expected.ts'
import { readOrMake } from './private-file.ts'

const Secrets = z.object({
  /** 32 random bytes, base64url: MACs API keys */
  SOUK_KEY_SECRET: z.string(),
  /** Ed25519 private JWK as JSON (RFC 8037): signs tickets */
  SOUK_SIGNING_KEY: z.string(),
})
export type Secrets = z.infer<typeof Secrets>

const PrivateKey = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)])
const DevWallet = z.object({ address: z.string(), privateKey: PrivateKey })
export type DevWallet = z.infer<typeof DevWallet>

export const DevWallets = z.object({ consumer: DevWallet, operator: DevWallet, admin: DevWallet })
export type DevWallets = z.infer<typeof DevWallets>

export const loadSecrets = (stateDir: string): Promise<Secrets> =>
  readOrMake(join(stateDir, 'secrets.json'), Secrets, makeSecrets)

/** @throws ExpectedFailure when they are gone from a folder that is in use: its balance, models and node belong to them */
export async function loadWallets(stateDir: string): Promise<DevWallets> {
  const path = join(stateDir, 'wallets.json')
  if (!existsSync(path) && existsSync(join(stateDir, 'd1')))
    throw new ExpectedFailure(`${path} is missing: ${RESTORE}, or choose another SOUK_STATE.`)
  const make = () => ({ consumer: newWallet(), operator: newWallet(), admin: newWallet() })
  return readOrMake(path, DevWallets, make, RESTORE)
}
const RESTORE = 'restore it, because the accounts of this state folder are its wallets'

export function newWallet(): DevWallet {
  const privateKey = generatePrivateKey()
  return { address: privateKeyToAccount(privateKey).address, privateKey }
}

export async function makeSecrets(): Promise<Secrets> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const { kty, crv, x, d } = await exportJWK(privateKey)
  return {
    SOUK_KEY_SECRET: randomBytes(32).toString('base64url'),
    SOUK_SIGNING_KEY: JSON.stringify({ kty, crv, x, d }),
  }
}
