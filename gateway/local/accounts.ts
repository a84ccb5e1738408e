// What the people of a development market do, through the same public API as everybody: an admin publishes the models, a consumer signs
// in, takes credit from the local faucet and makes a key. Nothing here knows the gateway's databases.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { createClient, SoukError, type Client } from '../../protocol/client.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { fromUsd } from '../../protocol/units.ts'
import { ExpectedFailure } from './expected.ts'
import { readPrivate, writePrivate } from './private-file.ts'
import { ROOT } from './root.ts'
import type { DevWallet } from './secrets.ts'

const MODELS = join(ROOT, 'provider-node/models')
/** Folders whose models a development market offers: those that `souk-node init` configures when nobody names others. */
const DEVELOPMENT_MODELS: readonly string[] = ['tiny-chat', 'word-vectors', 'language-id']
/** below this the faucet is asked; a call on the shipped models costs fractions of a cent */
const LOW_BALANCE = fromUsd('1')

export async function signIn(url: string, wallet: DevWallet): Promise<Client> {
  return createClient({ url }).signIn(privateKeyToAccount(wallet.privateKey))
}

/** The models of a development market, as the node program ships them. @throws ExpectedFailure when a manifest is missing or wrong */
export function shippedManifests(): ModelManifest[] {
  return DEVELOPMENT_MODELS.map((name) => {
    const path = join(MODELS, name, 'manifest.json')
    if (!existsSync(path)) throw new ExpectedFailure(`The model ${name} has no manifest: ${path} is missing.`)
    const manifest = ModelManifest.safeParse(parsed(readFileSync(path, 'utf8')))
    if (!manifest.success) throw new ExpectedFailure(`${path} is not a model manifest.`)
    return manifest.data
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** @param wallet the admin's, which signs what it publishes */
export async function publishModels(
  admin: Client,
  wallet: Pick<DevWallet, 'privateKey'>,
  manifests: readonly ModelManifest[],
): Promise<void> {
  const author = privateKeyToAccount(wallet.privateKey)
  for (const manifest of manifests) {
    await admin.publishModel(manifest, author).catch((error: unknown) => {
      // Published at an earlier start.
      if (!(error instanceof SoukError && error.code === 'conflict')) throw error
    })
  }
}

/** @returns the balance in decimal dollars */
export async function fillUp(consumer: Client): Promise<string> {
  const { balance } = await consumer.account()
  if (fromUsd(balance) >= LOW_BALANCE) return balance
  await consumer.send('POST', '/api/faucet', z.unknown(), {})
  return (await consumer.account()).balance
}

const KeyFile = z.object({ key: z.string() })

/** The key of an earlier start if the gateway still takes it, else a new one; kept in the state folder. */
export async function apiKey(url: string, consumer: Client, stateDir: string): Promise<string> {
  const path = join(stateDir, 'key.json')
  const known = readPrivate(path, KeyFile)
  if (known !== null && (await isValid(url, known.key))) return known.key
  const { key } = await consumer.createKey({ name: 'development' })
  writePrivate(path, { key })
  return key
}

async function isValid(url: string, key: string): Promise<boolean> {
  const holder = createClient({ url, token: key })
  return holder.send('GET', '/v1/key', z.unknown()).then(
    () => true,
    (error: unknown) => {
      if (error instanceof SoukError && error.status === 401) return false
      throw error
    },
  )
}
