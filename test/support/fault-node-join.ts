// How a fault node joins: through the public API like every other (wallet, EIP-712, challenge, probes), with as many models as a test wants.
import { exportJWK, generateKeyPair } from 'jose'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { bytesToHex, fromBase64url, jcs, sha256Hex } from '../../protocol/canonical.ts'
import { createClient, type Client } from '../../protocol/client.ts'
import { importPrivateKey } from '../../protocol/keys.ts'
import type { ModelManifest } from '../../protocol/model.ts'
import {
  helloClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  NodeView,
  PROOF_TYP,
  registrationClaims,
  type OfferRequest,
} from '../../protocol/node.ts'
import { signClaims } from '../../protocol/ticket.ts'

/** A model as one fault node offers it. */
export interface Offered {
  readonly manifest: ModelManifest
  /** it says that it goes on from what another node has delivered, and does */
  readonly continues?: boolean
  /** what it says its engine honours; absent: nothing is said */
  readonly parameters?: readonly string[]
  /** `counting`: the same for everybody; `seeded`: from the fourth word on the seed decides; `own`: from there on no two answers are alike */
  readonly words?: 'counting' | 'seeded' | 'own'
  readonly prices?: OfferRequest['prices']
  readonly contextTokens?: number
}

export interface Joining {
  readonly gatewayUrl: string
  readonly chainId: number
  readonly name?: string
  readonly prices?: OfferRequest['prices']
}

export const FAULT_NODE_PRICES: OfferRequest['prices'] = {
  inputPerMillion: '0.05',
  outputPerMillion: '0.20',
  perCall: '0',
}

export type NodeKeys = Awaited<ReturnType<typeof newNodeKeys>>

export async function newNodeKeys() {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { nodeKey: jwk.x ?? '', privateKey: await importPrivateKey(jwk) }
}

/** Registers and waits until the node is admitted with all it offers. @throws Error with the gateway's reason when it is not */
export async function join(
  options: Joining,
  offered: readonly Offered[],
  keys: NodeKeys,
  endpoint: string,
  operatorKey: `0x${string}`,
): Promise<{ nodeId: string; operatorAccountId: string }> {
  const operator = privateKeyToAccount(operatorKey)
  const settlementKey = privateKeyToAccount(generatePrivateKey()).address
  const client = await createClient({ url: options.gatewayUrl }).signIn(operator)
  const deadline = Math.floor(Date.now() / 1000) + 3_600
  const signature = await operator.signTypedData({
    domain: nodeAuthorizationDomain(options.chainId),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: operator.address,
      nodeKey: `0x${bytesToHex(fromBase64url(keys.nodeKey))}`,
      settlementKey,
      deadline: BigInt(deadline),
    },
  })
  const claims = registrationClaims({ operator: operator.address, endpoint, settlementKey, deadline })
  const request = {
    name: options.name ?? 'fault node',
    endpoint,
    nodeKey: keys.nodeKey,
    settlementKey,
    operator: operator.address,
    deadline,
    signature,
    nodeProof: await signClaims(claims, keys.privateKey, { typ: PROOF_TYP.registration }),
    offers: offered.map((each) => offerOf(each, options)),
  }
  const { id } = await client.registerNode(request)
  await untilLive(client, id, {
    next: () => client.registerNode(request),
    hello: async () => client.hello(id, await helloProof(id, keys)),
  })
  return { nodeId: id, operatorAccountId: (await client.account()).accountId }
}

const helloProof = (id: string, keys: NodeKeys) =>
  signClaims(helloClaims(id, Math.floor(Date.now() / 1000)), keys.privateKey, { typ: PROOF_TYP.hello })

/** ms between two looks, and without a change until the node says hello */
const LOOK_MS = 50
const HELLO_MS = 2_500
const LIVE_MS = 30_000

/** A registration has a few offers probed; the same one again has the next few probed at once, where hellos are heard every two seconds only. */
async function untilLive(
  client: Client,
  id: string,
  ask: { next(): Promise<unknown>; hello(): Promise<unknown> },
): Promise<void> {
  const until = Date.now() + LIVE_MS
  let waiting = Number.POSITIVE_INFINITY
  let changedAt = Date.now()
  for (;;) {
    const { state, reason, offers } = await client.send('GET', `/api/nodes/${id}`, NodeView)
    const pending = offers.filter((offer) => offer.state !== 'live')
    const isAdmitted = state === 'probation' || state === 'active'
    if (isAdmitted && pending.length === 0) return
    if (Date.now() > until) throw new Error(`the fault node stayed ${state}: ${pending[0]?.reason ?? reason}`)
    if (isAdmitted && pending.length < waiting) {
      waiting = pending.length
      changedAt = Date.now()
      await ask.next()
    } else if (Date.now() - changedAt > HELLO_MS) {
      changedAt = Date.now()
      await ask.hello()
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

function offerOf({ manifest, continues, parameters, prices, contextTokens }: Offered, options: Joining): OfferRequest {
  return {
    model: manifest.id,
    digest: sha256Hex(jcs({ files: manifest.files })),
    prices: prices ?? options.prices ?? FAULT_NODE_PRICES,
    contextTokens: contextTokens ?? manifest.contextTokens,
    outputTokensMax: manifest.outputTokensMax,
    concurrencyMax: 1_000,
    ...(continues === undefined ? {} : { continues }),
    ...(parameters === undefined ? {} : { parameters: [...parameters] }),
  }
}
