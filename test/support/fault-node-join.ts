// How a fault node joins: through the public API like every other (wallet, EIP-712, challenge, probes), with as many models as a test wants.
import { exportJWK, generateKeyPair } from 'jose'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { bytesToHex, fromBase64url, jcs, sha256Hex } from '../../protocol/canonical.ts'
import { createClient } from '../../protocol/client.ts'
import { importPrivateKey } from '../../protocol/keys.ts'
import type { ModelManifest } from '../../protocol/model.ts'
import {
  helloClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
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

/** Registers and waits until the node is admitted. @throws Error with the gateway's reason when it is not */
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
  const node = await client.registerNode({
    name: options.name ?? 'fault node',
    endpoint,
    nodeKey: keys.nodeKey,
    settlementKey,
    operator: operator.address,
    deadline,
    signature,
    nodeProof: await signClaims(claims, keys.privateKey, { typ: PROOF_TYP.registration }),
    offers: offered.map((each) => offerOf(each, options)),
  })
  for (let tries = 0; tries < 50; tries++) {
    const proof = await signClaims(helloClaims(node.id, Math.floor(Date.now() / 1000)), keys.privateKey, {
      typ: PROOF_TYP.hello,
    })
    const { state, reason } = await client.hello(node.id, proof)
    if (state === 'probation' || state === 'active')
      return { nodeId: node.id, operatorAccountId: (await client.account()).accountId }
    if (tries === 49) throw new Error(`the fault node stayed ${state}: ${reason}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('unreachable')
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
