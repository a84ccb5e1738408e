// `souk-node register`: the operator's wallet signs in and authorises this node's two keys, the node's key agrees, the gateway answers with
// the node's state. The wallet's key is read once, used here, and never stored or printed.
import { readFile } from 'node:fs/promises'
import { privateKeyToAccount } from 'viem/accounts'
import { bytesToHex, fromBase64url } from '../../protocol/canonical.ts'
import { NonceReply } from '../../protocol/auth.ts'
import { createClient, SoukError } from '../../protocol/client.ts'
import {
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  registrationClaims,
  type NodeView,
  type OfferRequest,
} from '../../protocol/node.ts'
import { signClaims } from '../../protocol/ticket.ts'
import { homeFolder, loadConfig, saveNodeId, type NodeConfig } from '../config.ts'
import { concurrencyOf } from '../engines/create.ts'
import { loadIdentity, type Identity } from '../identity.ts'
import { NODE_LIMITS } from '../limits.ts'
import { silentLog } from '../log.ts'
import { checkFiles } from '../model-store/check.ts'
import { prepareModel } from '../model-store/prepare.ts'
import { OperatorError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'

export const registerCommand: Command = {
  spec: {
    name: 'register',
    details: [
      "The wallet's private key comes from SOUK_OPERATOR_KEY or from a file; it is used for two signatures and not kept.",
      'The node need not be running, but it gets traffic only when it is.',
    ],
    options: {
      ...SHARED_OPTIONS,
      'wallet-key-file': { type: 'string', value: 'FILE', help: 'file with the private key of the operator wallet' },
      ...JSON_OPTION,
    },
  },
  run: runRegister,
}

/** s between the wallet's signature and its end: enough for one request and clocks that disagree */
const AUTHORIZATION_SECONDS = 3_600

export async function runRegister(options: ParsedOptions, { print, env }: Terminal): Promise<void> {
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const identity = await loadIdentity(home)
  const operator = await operatorAccount(options.text('wallet-key-file'), env.SOUK_OPERATOR_KEY)
  const node = await register(
    config,
    identity,
    operator,
    await offersOf(config, home, env.SOUK_NODE_MODEL_MIRROR),
  ).catch((cause: unknown) => {
    throw asOperatorError(cause, config.gateway)
  })
  await saveNodeId(home, node.id)
  if (options.flag('json')) return print(JSON.stringify(node))
  print(`node ${node.id} of operator ${operator.address}`)
  print(`state  ${node.state}${node.reason ? `: ${node.reason}` : ''}`)
  for (const offer of node.offers)
    print(`offer  ${offer.model}  ${offer.state}${offer.reason ? `: ${offer.reason}` : ''}`)
}

type Operator = ReturnType<typeof privateKeyToAccount>

async function register(
  { gateway, endpoint, name }: NodeConfig,
  { nodeKey, signingKey, settlementAddress }: Identity,
  operator: Operator,
  offers: OfferRequest[],
): Promise<NodeView> {
  if (endpoint === null)
    throw new OperatorError('set "endpoint" in config.json first: the address where the gateway reaches this node')
  const anonymous = createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs })
  const { chainId } = await anonymous.send('POST', '/auth/nonce', NonceReply, {})
  const client = await anonymous.signIn(operator)
  const deadline = Math.floor(Date.now() / 1_000) + AUTHORIZATION_SECONDS
  const signature = await operator.signTypedData({
    domain: nodeAuthorizationDomain(chainId),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: operator.address,
      nodeKey: `0x${bytesToHex(fromBase64url(nodeKey))}`,
      settlementKey: settlementAddress,
      deadline: BigInt(deadline),
    },
  })
  const agreed = { operator: operator.address, endpoint, settlementKey: settlementAddress, deadline }
  const nodeProof = await signClaims(registrationClaims(agreed), signingKey, { typ: PROOF_TYP.registration })
  return client.registerNode({ ...agreed, name, nodeKey, signature, nodeProof, offers })
}

/** Every configured model, its files fetched and checked: nobody should offer what they cannot serve. */
async function offersOf(config: NodeConfig, home: string, mirror: string | undefined): Promise<OfferRequest[]> {
  const offers: OfferRequest[] = []
  const { signal } = new AbortController()
  for (const entry of config.models) {
    const loaded = await prepareModel(entry, home, { log: silentLog, now: Date.now, signal, mirror })
    if (entry.engine === 'onnx') await checkFiles(loaded)
    const { id: model, contextTokens, outputTokensMax } = loaded.manifest
    const limits = { contextTokens, outputTokensMax, concurrencyMax: concurrencyOf(entry, loaded) }
    const assurance = entry.engine === 'onnx' ? 'pinned' : 'declared'
    offers.push({ model, digest: loaded.digest, prices: entry.prices, ...limits, assurance })
  }
  return offers
}

async function operatorAccount(file: string | undefined, fromEnv: string | undefined): Promise<Operator> {
  const text = file === undefined ? fromEnv : await readFile(file, 'utf8').catch(() => null)
  if (text === null) throw new OperatorError(`the wallet key file ${file} cannot be read`)
  if (text === undefined) throw new OperatorError('set SOUK_OPERATOR_KEY or give --wallet-key-file')
  const hex = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]
  try {
    if (hex) return privateKeyToAccount(`0x${hex}`)
  } catch {
    // Zero, or not below the order of the curve: refused like any other text. The message must not quote it.
  }
  throw new OperatorError('the wallet key is not a private key of 64 hexadecimal digits')
}

function asOperatorError(cause: unknown, gateway: string): unknown {
  if (cause instanceof SoukError) return new OperatorError(`the gateway refused: ${cause.message} (${cause.code})`)
  const isNetwork = cause instanceof TypeError || (cause instanceof Error && cause.name === 'TimeoutError')
  return isNetwork ? new OperatorError(`the gateway ${gateway} does not answer`) : cause
}
