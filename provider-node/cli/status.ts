// `souk-node status`: one look at one node, at all nodes on this machine, or at all nodes of an operator. Works while the gateway is away: it says so and
// shows what is known here.
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { configFile, homeFolder, loadConfig } from '../config.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import { readFacts, type NodeFacts } from '../status/facts.ts'
import { lineOf, showNodes } from '../status/many-nodes.ts'
import { moneyLines, operatorLine, summaryOf, type Credential } from '../status/of-operator.ts'
import { showNode } from '../status/one-node.ts'
import { gatewayOption } from './address-option.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { readWallet, WALLET_OPTION } from './wallet.ts'

export const statusCommand: Command = {
  spec: {
    name: 'status',
    details: [
      'State, traffic, earnings, prices beside the market, receipts that wait, and why there is no traffic, each with what to do. Asked with the key of the node: no wallet is needed.',
      'Several nodes on this machine are one page with --home more than once or --homes; all nodes of an operator, wherever they run, with --operator and the wallet, or an API key with the scope "manage" in SOUK_API_KEY.',
    ],
    options: {
      ...SHARED_OPTIONS,
      home: { ...SHARED_OPTIONS.home, multiple: true, help: `${SHARED_OPTIONS.home.help}; may be repeated` },
      homes: { type: 'string', value: 'DIR', help: 'a folder of state folders' },
      operator: { type: 'boolean', help: 'all nodes of the account of the wallet or of SOUK_API_KEY' },
      gateway: { type: 'string', value: 'URL', help: 'with --operator: the gateway (else that of the state folder)' },
      ...WALLET_OPTION,
      ...JSON_OPTION,
    },
  },
  run: runStatus,
}

/** Nodes asked about at the same time: a folder may hold many. */
const AT_ONCE = 8

export async function runStatus(options: ParsedOptions, terminal: Terminal): Promise<void> {
  if (options.flag('operator')) return ofOperator(options, terminal)
  const { print, env } = terminal
  const homes = await homesOf(options, terminal)
  const isOne = homes.length === 1 && options.text('homes') === undefined
  const facts: NodeFacts[] = []
  for (let first = 0; first < homes.length; first += AT_ONCE) {
    const some = homes.slice(first, first + AT_ONCE)
    facts.push(...(await Promise.all(some.map((home) => readFacts(home, { env, now: Date.now })))))
  }
  const [only] = facts
  // Of several, one that cannot be read is a line; alone, it is why there is nothing to show.
  if (isOne && only && only.config === null && only.problem !== null) throw new OperatorError(only.problem)
  if (options.flag('json')) {
    const shown = facts.map(toJson)
    return print(JSON.stringify(isOne ? shown[0] : shown))
  }
  const lines = isOne && only ? showNode(only, Date.now()) : showNodes(facts.map(lineOf))
  for (const line of lines) print(line)
}

/** The token that opens the node to its operator's programs stays where it is. */
const toJson = ({ home, config, status, problem, running, backlog }: NodeFacts) => ({
  home,
  name: config?.name ?? null,
  gateway: config?.gateway ?? null,
  nodeId: config?.nodeId ?? null,
  problem,
  status,
  running,
  receipts: backlog,
})

async function homesOf(options: ParsedOptions, { env }: Terminal): Promise<string[]> {
  const named = options.all('home')
  const folder = options.text('homes')
  if (folder === undefined) return named.length > 0 ? named.map((home) => resolve(home)) : [homeFolder(undefined, env)]
  if (named.length > 0) throw usageError('give --home or --homes, not both')
  const entries = await readdir(folder).catch(() => {
    throw new OperatorError(`the folder ${folder} cannot be read`)
  })
  const homes = entries.sort().map((name) => resolve(join(folder, name)))
  const isNode = await Promise.all(
    homes.map((home) =>
      stat(configFile(home)).then(
        () => true,
        () => false,
      ),
    ),
  )
  const found = homes.filter((_, index) => isNode[index])
  if (found.length === 0) throw new OperatorError(`there is no node in any folder of ${folder}`)
  return found
}

async function ofOperator(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, env } = terminal
  if (options.all('home').length > 1 || options.text('homes') !== undefined)
    throw usageError('--operator shows all nodes of the account: give it without --homes')
  const home = homeFolder(options.text('home'), env)
  const gateway = gatewayOption(options) ?? (await loadConfig(home, env)).gateway
  const summary = await summaryOf(gateway, await credentialOf(options, terminal))
  if (options.flag('json')) return print(JSON.stringify(summary))
  const nodes = summary.data.map(operatorLine)
  for (const line of nodes.length === 0 ? ['This account has no nodes.'] : showNodes(nodes)) print(line)
  for (const line of ['', ...moneyLines(summary)]) print(line)
}

async function credentialOf(options: ParsedOptions, terminal: Terminal): Promise<Credential> {
  const apiKey = terminal.env.SOUK_API_KEY
  const isWallet = options.text('wallet-key-file') !== undefined || !apiKey
  return isWallet ? { wallet: await readWallet(options, terminal) } : { apiKey }
}
