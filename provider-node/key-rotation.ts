// Exchanging a node's keys for new ones, so that a crash at any moment leaves a node that can go on: the new keys are on the disk before the gateway hears
// of them, the gateway takes the same exchange twice, and keys.json is replaced in one step, when the old one has a copy.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { NonceReply } from '../protocol/auth.ts'
import { createClient } from '../protocol/client.ts'
import { NodeView } from '../protocol/node.ts'
import { ROTATION_TYP, rotationClaims, type RotateRequest } from '../protocol/operator.ts'
import { signClaims } from '../protocol/ticket.ts'
import { createIdentity, KEYS, loadIdentity, type Identity } from './identity.ts'
import { NODE_LIMITS } from './limits.ts'
import { OperatorError, sentenceFor } from './operator-error.ts'

/** Where the new keys wait until they are the node's. */
export const NEXT_KEYS = 'keys.next.json'
/** s in which the gateway must hear of what was signed */
const EXCHANGE_SECONDS = 3_600

/** What the wallet does: it signs in, and authorises the new keys. */
export interface Wallet {
  readonly address: `0x${string}`
  signMessage(input: { message: string }): Promise<string>
  authorise(keys: Pick<RotateRequest, 'nodeKey' | 'settlementKey' | 'deadline'>, chainId: number): Promise<string>
}

export interface RotationNeeds {
  readonly home: string
  readonly gateway: string
  readonly nodeId: string
  readonly wallet: Wallet
  /** the old keys are lost: the wallet alone vouches for the new ones */
  readonly isLost: boolean
  /** ms since the Unix epoch */
  readonly now: () => number
}

export interface Rotated {
  readonly node: NodeView
  /** the copy of the old keys; null: there were none to copy */
  readonly kept: string | null
}

/** Run again after a crash it goes on where it was. @throws OperatorError, SoukError; then keys.json is as it was */
export async function rotateKeys(needs: RotationNeeds): Promise<Rotated> {
  const { home, gateway, nodeId, wallet, isLost } = needs
  // First of all: who cannot read the old keys shall not learn it when the new ones are the gateway's.
  const old = isLost ? null : await loadIdentity(home)
  const next = await nextIdentity(home)
  const anonymous = createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs })
  const { chainId, issuedAt } = await anonymous.send('POST', '/auth/nonce', NonceReply, {})
  const client = await anonymous.signIn(wallet)
  const before = await client.node(nodeId)
  const isDone = before.nodeKey === next.nodeKey
  if (!isDone && old && old.nodeKey !== before.nodeKey)
    throw new OperatorError(
      'keys.json is not what this node is registered with: put the right file back, or say --lost',
    )
  const node = isDone
    ? before
    : await client.send(
        'POST',
        `/api/nodes/${encodeURIComponent(nodeId)}/rotate`,
        NodeView,
        await exchange(needs.wallet, { before, old, next }, { chainId, deadline: deadlineFrom(issuedAt) }),
      )
  return { node, kept: await swap(home, needs.now()) }
}

/** @param issuedAt the gateway's clock: this machine's may be wrong */
const deadlineFrom = (issuedAt: string): number => Math.floor(Date.parse(issuedAt) / 1_000) + EXCHANGE_SECONDS

async function exchange(
  wallet: Wallet,
  { before, old, next }: { before: NodeView; old: Identity | null; next: Identity },
  { chainId, deadline }: { chainId: number; deadline: number },
): Promise<RotateRequest> {
  const claims = rotationClaims(before.id, before.nodeKey, next.nodeKey, deadline)
  const keys = { nodeKey: next.nodeKey, settlementKey: next.settlementAddress, deadline }
  return {
    ...keys,
    operator: wallet.address,
    signature: await wallet.authorise(keys, chainId),
    newProof: await signClaims(claims, next.signingKey, { typ: ROTATION_TYP }),
    ...(old ? { oldProof: await signClaims(claims, old.signingKey, { typ: ROTATION_TYP }) } : {}),
  }
}

/** Those of a run that was interrupted, else new ones; whole and on the disk for good when this resolves. */
async function nextIdentity(home: string): Promise<Identity> {
  if (!(await isFile(join(home, NEXT_KEYS)))) {
    const draft = `keys.${randomUUID()}.new`
    await createIdentity(home, draft)
    await onDisk(join(home, draft))
    await rename(join(home, draft), join(home, NEXT_KEYS))
    await onDisk(home)
  }
  return loadIdentity(home, NEXT_KEYS)
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (info) => info.isFile(),
    () => false,
  )

/** @returns the name of the copy */
async function swap(home: string, now: number): Promise<string | null> {
  const path = join(home, KEYS)
  const kept = `keys.${new Date(now).toISOString().slice(0, 19).replaceAll(':', '-')}.json`
  try {
    const isThere = await isFile(path)
    if (isThere) {
      await copyFile(path, join(home, kept), constants.COPYFILE_EXCL)
      await onDisk(join(home, kept))
    }
    await rename(join(home, NEXT_KEYS), path)
    await onDisk(home)
    return isThere ? kept : null
  } catch (cause) {
    throw sentenceFor(
      `the gateway has the new keys, and they could not take the place of ${path}: mend the folder and run this again`,
      cause,
    )
  }
}

/** A power cut does not take it away any more. */
async function onDisk(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
