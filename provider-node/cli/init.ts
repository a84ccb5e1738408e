// `souk-node init`: keys and configuration in the state folder. Touches no network, so it works before there is a gateway.
import { hostname } from 'node:os'
import { homeFolder, parseConfig, type NodeConfig } from '../config.ts'
import { hasConfig, saveConfig } from '../config-file.ts'
import { createIdentity } from '../identity.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import { gatewayOption } from './address-option.ts'
import type { Command } from './commands.ts'
import { modelEntry, type NewEntry } from './model-entry.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'

const DEFAULTS = {
  gateway: 'http://127.0.0.1:8787',
  host: '127.0.0.1',
  /** of a node with an address of its own */
  port: 8790,
  models: ['tiny-chat', 'word-vectors', 'language-id'],
} as const

export const initCommand: Command = {
  spec: {
    name: 'init',
    details: [
      'Writes keys.json (readable by you alone; back it up) and config.json (yours to edit; every field has a comment).',
      'The node is reached by its link, a connection it opens itself: no port, no address, behind any router. A machine with a public HTTPS address says --endpoint instead.',
      'No network is used: the gateway is asked when the node registers.',
    ],
    options: {
      ...SHARED_OPTIONS,
      gateway: { type: 'string', value: 'URL', help: `the gateway (SOUK_NODE_GATEWAY, else ${DEFAULTS.gateway})` },
      endpoint: { type: 'string', value: 'URL', help: 'public address at which the gateway reaches this node' },
      host: { type: 'string', value: 'ADDRESS', help: `address to listen on (${DEFAULTS.host})` },
      port: {
        type: 'string',
        value: 'N',
        help: `port to listen on, 0 for any free one (with --endpoint ${DEFAULTS.port}, else none)`,
      },
      name: { type: 'string', value: 'TEXT', help: 'what people see (the name of this machine)' },
      model: {
        type: 'string',
        multiple: true,
        value: 'FOLDER',
        help: `a model to serve, by path or shipped name; may be repeated (${DEFAULTS.models.join(', ')})`,
      },
      'accept-licence': {
        type: 'string',
        multiple: true,
        value: 'SPDX',
        help: 'a licence you have read and accept; may be repeated (models shipped with the program need none)',
      },
      ...JSON_OPTION,
    },
  },
  run: runInit,
}

export async function runInit(options: ParsedOptions, { print, env }: Terminal): Promise<void> {
  const home = homeFolder(options.text('home'), env)
  if (await hasConfig(home)) throw new OperatorError(`there is a node in ${home} already: edit its config.json`)
  const endpoint = options.text('endpoint') ?? null
  const port = readPort(options.text('port')) ?? (endpoint === null ? null : DEFAULTS.port)
  const named = options.all('model')
  const asked = named.length > 0 ? named : DEFAULTS.models
  const accepted = options.all('accept-licence')
  const models = await Promise.all(asked.map((model) => modelEntry(model, accepted)))
  const written = {
    version: 1 as const,
    name: options.text('name') ?? hostname().slice(0, 80),
    gateway: gatewayOption(options) ?? (env.SOUK_NODE_GATEWAY || DEFAULTS.gateway),
    nodeId: null,
    endpoint,
    host: options.text('host') ?? DEFAULTS.host,
    port,
    models: models.map(({ entry }) => entry),
  }
  const config = parseConfig(written, 'what was asked for')
  const identity = await createIdentity(home)
  await saveConfig(home, { ...written, gateway: config.gateway, endpoint: config.endpoint })
  if (options.flag('json'))
    return print(
      JSON.stringify({
        home,
        nodeKey: identity.nodeKey,
        settlementKey: identity.settlementAddress,
        models: models.map(({ entry, licence, isOpen }) => ({ folder: entry.folder, licence, isAccepted: !isOpen })),
      }),
    )
  print(`node key        ${identity.nodeKey}`)
  print(`settlement key  ${identity.settlementAddress}`)
  print(`state folder    ${home}`)
  print(`                back up keys.json: a node without its keys is another node`)
  print(`gateway         ${config.gateway}  (not asked yet)`)
  print(`reached         ${reached(config)}`)
  for (const [index, { entry, licence, isOpen }] of models.entries())
    print(
      `${(index === 0 ? 'models' : '').padEnd(16)}${entry.folder}  (${licence}${isOpen ? ', not accepted yet' : ''})`,
    )
  for (const line of nextSteps(options.text('home'), models)) print(line)
}

const reached = ({ endpoint, port, host }: Pick<NodeConfig, 'endpoint' | 'port' | 'host'>): string => {
  const listens = port === null ? '' : `, and listens on ${host}:${port}`
  return endpoint === null ? `by its own link, behind any router${listens}` : `at ${endpoint}${listens}`
}

function nextSteps(home: string | undefined, models: readonly NewEntry[]): string[] {
  const at =
    home === undefined ? '' : ` --home ${/^[\w./~-]+$/.test(home) ? home : `'${home.replaceAll("'", "'\\''")}'`}`
  const open = models.flatMap(({ entry, licence, isOpen }) =>
    isOpen
      ? [
          '',
          `Read the licence of ${entry.folder}; if you accept it, add "licence": ${JSON.stringify(licence)} to its entry in config.json.`,
        ]
      : [],
  )
  return [
    ...open,
    '',
    'Next, with the address of the wallet that will own the node and be paid:',
    '',
    `  souk-node register --browser --operator 0xYOUR_WALLET${at}`,
    `  souk-node start${at}`,
    '',
    `(A wallet whose private key is at hand: SOUK_OPERATOR_KEY=0x... souk-node register${at})`,
  ]
}

function readPort(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw usageError('option --port needs a number from 0 to 65535')
  return Number(text)
}
