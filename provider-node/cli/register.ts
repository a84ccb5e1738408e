// `souk-node register`: the operator's wallet authorises this node's two keys, the node's key agrees, and the gateway answers with the node's state. The
// wallet signs here, from a key file or the environment, or in a browser, where no key of its leaves it. Again is an update.
import { bytesToHex, fromBase64url } from '../../protocol/canonical.ts'
import { NonceReply } from '../../protocol/auth.ts'
import { createClient } from '../../protocol/client.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import {
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  registrationClaims,
  type NodeView,
  type RegisterNodeRequest,
} from '../../protocol/node.ts'
import { signClaims } from '../../protocol/ticket.ts'
import { homeFolder, loadConfig } from '../config.ts'
import { saveNodeId } from '../config-edit.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { loadIdentity, type Identity } from '../identity.ts'
import { NODE_LIMITS } from '../limits.ts'
import { offersOf } from '../offers.ts'
import { toldAnyGateway } from '../told-offers.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { progressLog } from './progress.ts'
import { operatorAddress, registerInBrowser } from './register-browser.ts'
import { hasWallet, readWallet, WALLET_OPTION, type Operator } from './wallet.ts'

export const registerCommand: Command = {
  spec: {
    name: 'register',
    details: [
      'The wallet that owns the node signs twice: a sign-in, and the authorisation of the two keys of this node.',
      'Its private key comes from SOUK_OPERATOR_KEY or from a file, and is not kept. Or, with --browser, this prints a link to a page where a browser wallet signs, and waits.',
      'The node need not be running, but it gets traffic only when it is. To change name, endpoint, prices or models later, register again.',
    ],
    options: {
      ...SHARED_OPTIONS,
      ...WALLET_OPTION,
      browser: { type: 'boolean', help: 'sign with a browser wallet; needs --operator' },
      operator: { type: 'string', value: '0x…', help: "the wallet's address, with --browser" },
      ...JSON_OPTION,
    },
  },
  run: runRegister,
}

/** s between what the node key signs and its end, by the gateway's clock: enough for a request by this program, and for a person who reads before signing */
const AUTHORIZATION_SECONDS = 3_600

/** What the wallet does not sign yet. */
export type Unsigned = Omit<RegisterNodeRequest, 'signature'>

export async function runRegister(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, tell, env } = terminal
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const identity = await loadIdentity(home)
  const isBrowser = options.flag('browser')
  if (!isBrowser && options.text('operator') !== undefined) throw usageError('option --operator goes with --browser')
  if (!isBrowser && !hasWallet(options, terminal))
    throw new OperatorError(
      'set SOUK_OPERATOR_KEY or give --wallet-key-file, or have a browser wallet sign: --browser --operator 0x…',
    )
  const wallet = isBrowser ? null : await readWallet(options, terminal)
  const operator = wallet?.address ?? operatorAddress(options.text('operator'))
  const offers = await offersOf(config, { home, env, log: progressLog(tell), isChecked: true })
  const { name, gateway } = config
  const deadline = (await gatewaySeconds(gateway)) + AUTHORIZATION_SECONDS
  const wanted = { name, endpoint: config.endpoint ?? LINK_ENDPOINT, operator, offers, deadline }
  const request = await agreed(identity, wanted)
  const node = await (
    wallet ? registerBy(wallet, request, gateway) : registerInBrowser(request, { gateway, identity, tell })
  ).catch((cause: unknown) => {
    throw gatewaySentence(cause, gateway)
  })
  await saveNodeId(home, node.id)
  if (options.flag('json')) return print(JSON.stringify(node))
  for (const line of registered(node, operator)) print(line)
}

/** The registration as the node's own key agrees to it. */
async function agreed(
  { nodeKey, signingKey, settlementAddress: settlementKey }: Identity,
  wanted: Pick<Unsigned, 'name' | 'endpoint' | 'offers' | 'deadline'> & { operator: `0x${string}` },
): Promise<Unsigned> {
  const request = { ...wanted, nodeKey, settlementKey }
  const nodeProof = await signClaims(registrationClaims(request), signingKey, { typ: PROOF_TYP.registration })
  return { ...request, nodeProof }
}

/** By its own clock: one of this machine that is wrong is told of by the link, which says by how much. A gateway that is silent now is told of by what follows. */
async function gatewaySeconds(url: string): Promise<number> {
  const { send } = createClient({ url, timeoutMs: NODE_LIMITS.gatewayMs })
  const reply = await send('POST', '/auth/nonce', NonceReply, {}).catch(() => null)
  return Math.floor((reply ? Date.parse(reply.issuedAt) : Date.now()) / 1_000)
}

async function registerBy(wallet: Operator, request: Unsigned, gateway: string): Promise<NodeView> {
  const anonymous = createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs })
  const { chainId } = await anonymous.send('POST', '/auth/nonce', NonceReply, {})
  const client = await anonymous.signIn(wallet)
  const signature = await signAuthorization(wallet, request, chainId)
  // The wallet signs the keys and not the offers, so they can be told again.
  return toldAnyGateway(request.offers, (offers) => client.registerNode({ ...request, offers: [...offers], signature }))
}

/** EIP-712 NodeAuthorization: this wallet's word that the two keys are its node's, until the deadline. */
export function signAuthorization(
  wallet: Operator,
  request: Pick<Unsigned, 'nodeKey' | 'settlementKey' | 'deadline'>,
  chainId: number,
): Promise<string> {
  return wallet.signTypedData({
    domain: nodeAuthorizationDomain(chainId),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: wallet.address,
      nodeKey: `0x${bytesToHex(fromBase64url(request.nodeKey))}`,
      settlementKey: `0x${request.settlementKey.slice(2)}`,
      deadline: BigInt(request.deadline),
    },
  })
}

function registered(node: NodeView, operator: string): string[] {
  return [
    `node   ${node.id} of operator ${operator}`,
    `state  ${node.state}${node.reason ? `: ${node.reason}` : ''}`,
    ...node.offers.map(({ model, state, reason }) => `offer  ${model}  ${state}${reason ? `: ${reason}` : ''}`),
    '',
    'Next, if it does not run yet: souk-node start. Later: souk-node status.',
  ]
}
