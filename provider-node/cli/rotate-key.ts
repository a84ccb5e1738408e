// `souk-node rotate-key`: new keys for the same node. Its id, and with it history, state and offers, stays; the wallet authorises the new keys.
import { homeFolder, loadConfig } from '../config.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { rotateKeys } from '../key-rotation.ts'
import { OperatorError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { signAuthorization } from './register.ts'
import { readWallet, WALLET_OPTION } from './wallet.ts'

export const rotateKeyCommand: Command = {
  spec: {
    name: 'rotate-key',
    details: [
      'Makes new keys, has the gateway exchange them (the wallet signs, as at the registration), and puts them in the place of keys.json; the old file is kept beside it.',
      'The node keeps its id, history and offers. A running node is cut off by the exchange: restart it afterwards. Interrupted, run it again: it goes on.',
    ],
    options: {
      ...SHARED_OPTIONS,
      ...WALLET_OPTION,
      lost: { type: 'boolean', help: 'keys.json is lost or damaged: the wallet alone vouches for the new keys' },
      ...JSON_OPTION,
    },
  },
  run: runRotateKey,
}

export async function runRotateKey(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, env } = terminal
  const home = homeFolder(options.text('home'), env)
  const { gateway, nodeId } = await loadConfig(home, env)
  if (nodeId === null)
    throw new OperatorError("this node is not registered, so its keys are nobody's yet: run souk-node register")
  const account = await readWallet(options, terminal)
  const wallet = {
    address: account.address,
    signMessage: (input: { message: string }) => account.signMessage(input),
    authorise: (keys: Parameters<typeof signAuthorization>[1], chainId: number) =>
      signAuthorization(account, keys, chainId),
  }
  const { node, kept } = await rotateKeys({
    home,
    gateway,
    nodeId,
    wallet,
    isLost: options.flag('lost'),
    now: Date.now,
  }).catch((cause: unknown) => {
    throw gatewaySentence(cause, gateway)
  })
  if (options.flag('json')) return print(JSON.stringify({ node, kept }))
  print(`node      ${node.id}, as before`)
  print(`node key  ${node.nodeKey}`)
  if (kept !== null) print(`old keys  kept as ${kept}: what they earned may still need their settlement key`)
  print('')
  print('Next: restart the node if it runs (it holds the old keys), and back up keys.json.')
}
