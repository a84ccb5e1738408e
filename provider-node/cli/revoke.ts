// `souk-node revoke`: the operator's wallet takes the authorisation of this node back. Its link ends, no call comes; a new registration gives it again.
import { createClient } from '../../protocol/client.ts'
import { NodeView } from '../../protocol/node.ts'
import { homeFolder, loadConfig } from '../config.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { NODE_LIMITS } from '../limits.ts'
import { OperatorError } from '../operator-error.ts'
import { gatewayOption } from './address-option.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { readWallet, WALLET_OPTION } from './wallet.ts'

export const revokeCommand: Command = {
  spec: {
    name: 'revoke',
    details: [
      'The wallet takes back what it gave at the registration: the link is closed, and no call comes any more. For a machine that was sold, stolen or broken into.',
      'What the node earned stays. souk-node register gives the authorisation again; for keys in wrong hands use souk-node rotate-key instead.',
    ],
    options: {
      ...SHARED_OPTIONS,
      ...WALLET_OPTION,
      node: { type: 'string', value: 'ID', help: 'another node of this wallet (the one of this state folder)' },
      gateway: { type: 'string', value: 'URL', help: 'with --node, where there is no state folder: the gateway' },
      ...JSON_OPTION,
    },
  },
  run: runRevoke,
}

export async function runRevoke(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print } = terminal
  const { gateway, nodeId } = await meant(options, terminal)
  const wallet = await readWallet(options, terminal)
  const node = await revoke(gateway, nodeId, wallet).catch((cause: unknown) => {
    throw gatewaySentence(cause, gateway)
  })
  if (options.flag('json')) return print(JSON.stringify(node))
  print(`${node.id} is ${node.state}${node.reason === null ? '' : `: ${node.reason}`}`)
}

/** A machine that is gone took its state folder along: then both are said. */
async function meant(options: ParsedOptions, { env }: Terminal): Promise<{ gateway: string; nodeId: string }> {
  const [gateway, nodeId] = [gatewayOption(options), options.text('node')]
  if (gateway !== undefined && nodeId !== undefined) return { gateway, nodeId }
  const config = await loadConfig(homeFolder(options.text('home'), env), env)
  const id = nodeId ?? config.nodeId
  if (id === null) throw new OperatorError('this node is not registered, so there is nothing to take back')
  return { gateway: gateway ?? config.gateway, nodeId: id }
}

async function revoke(
  gateway: string,
  nodeId: string,
  wallet: Awaited<ReturnType<typeof readWallet>>,
): Promise<NodeView> {
  const client = await createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs }).signIn(wallet)
  return client.send('POST', `/api/nodes/${encodeURIComponent(nodeId)}/revoke`, NodeView, {})
}
