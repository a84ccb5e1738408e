// The node's two keys: Ed25519 names the node and signs receipts, secp256k1 will collect its earnings. Made once, kept in a file that only
// its owner can read; private halves never leave this module except as opaque signing keys.
import { open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { importPrivateKey } from '../protocol/keys.ts'
import { makeHome } from './config.ts'
import { OperatorError, sentenceFor } from './operator-error.ts'

export interface Identity {
  /** base64url Ed25519 public key: the node's name on the wire */
  readonly nodeKey: string
  readonly signingKey: CryptoKey
  /** address of the settlement key */
  readonly settlementAddress: `0x${string}`
}

const KeysFile = z.strictObject({
  version: z.literal(1),
  nodeKey: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() }),
  settlementKey: z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)]),
})

export const KEYS = 'keys.json'

/** Makes the keys if there are none. Existing keys are kept: a node that loses them is another node. @param name of the file, where other keys stand beside them */
export async function createIdentity(home: string, name = KEYS): Promise<Identity> {
  await makeHome(home)
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const { x = '', d = '' } = await exportJWK(privateKey)
  const nodeKey = { kty: 'OKP' as const, crv: 'Ed25519' as const, x, d }
  const keys: z.infer<typeof KeysFile> = { version: 1, nodeKey, settlementKey: generatePrivateKey() }
  await writeOnce(join(home, name), `${JSON.stringify(keys, null, 2)}\n`)
  return loadIdentity(home, name)
}

/** Whole and on the disk for good, or not there: half a file would be taken for keys that were damaged. */
async function writeOnce(file: string, text: string): Promise<void> {
  const opened = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return null
    throw sentenceFor(`${file} cannot be written`, cause)
  })
  if (opened === null) return
  try {
    await opened.writeFile(text)
    await opened.sync()
  } catch (cause) {
    await rm(file, { force: true })
    throw sentenceFor(`${file} cannot be written`, cause)
  } finally {
    await opened.close()
  }
}

/** @throws OperatorError when there are none, when others can read them or we cannot, or when the file is damaged; it never quotes the file */
export async function loadIdentity(home: string, name = KEYS): Promise<Identity> {
  const file = join(home, name)
  const info = await stat(file).catch(() => null)
  if (!info) throw new OperatorError(`there are no keys in ${home}: run souk-node init`)
  if (process.platform !== 'win32' && (info.mode & 0o077) !== 0)
    throw new OperatorError(`${file} can be read by others: run chmod 600 ${file}`)
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw sentenceFor(`${file} cannot be read`, cause)
  })
  try {
    const keys = KeysFile.parse(JSON.parse(text))
    return {
      nodeKey: keys.nodeKey.x,
      signingKey: await importPrivateKey(keys.nodeKey),
      settlementAddress: privateKeyToAccount(keys.settlementKey).address,
    }
  } catch {
    throw new OperatorError(`${file} is damaged: restore it from a backup`)
  }
}
