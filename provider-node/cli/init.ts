// `souk-node init`: keys and configuration in the state folder. Touches no network, so it works before there is a gateway.
import { hostname } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { DEFAULT_PRICES, hasConfig, homeFolder, parseConfig, saveConfig, type ModelConfig } from '../config.ts'
import { createIdentity } from '../identity.ts'
import { needsAcceptance } from '../model-store/licence.ts'
import { modelFolder, readManifest } from '../model-store/manifest.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'

const DEFAULTS = {
  gateway: 'http://127.0.0.1:8787',
  port: 8790,
  models: ['tiny-chat', 'word-vectors', 'language-id'],
} as const

export const initCommand: Command = {
  spec: {
    name: 'init',
    details: [
      'Writes keys.json (readable by you alone; back it up) and config.json (edit it: prices, models, limits).',
    ],
    options: {
      ...SHARED_OPTIONS,
      gateway: { type: 'string', value: 'URL', help: `the gateway (${DEFAULTS.gateway})` },
      endpoint: { type: 'string', value: 'URL', help: 'where the gateway reaches this node (http://127.0.0.1:PORT)' },
      host: { type: 'string', value: 'ADDRESS', help: 'address to listen on (127.0.0.1)' },
      port: { type: 'string', value: 'N', help: `port to listen on, 0 for any free one (${DEFAULTS.port})` },
      name: { type: 'string', value: 'TEXT', help: 'what people see (the name of this machine)' },
      model: {
        type: 'string',
        multiple: true,
        value: 'FOLDER',
        help: 'a model to serve, by path or shipped name; may be repeated (tiny-chat, word-vectors, language-id)',
      },
      'accept-licence': {
        type: 'string',
        multiple: true,
        value: 'SPDX',
        help: 'a licence you have read and accept; may be repeated (models shipped with the program need none)',
      },
    },
  },
  run: runInit,
}

export async function runInit(options: ParsedOptions, { print, env }: Terminal): Promise<void> {
  const home = homeFolder(options.text('home'), env)
  if (await hasConfig(home)) throw new OperatorError(`there is a node in ${home} already: edit its config.json`)
  const port = readPort(options.text('port'))
  const endpoint = options.text('endpoint') ?? (port === 0 ? null : `http://127.0.0.1:${port}`)
  const named = options.all('model')
  const accepted = options.all('accept-licence')
  const asked = named.length > 0 ? named : DEFAULTS.models
  const models = await Promise.all(asked.map((model) => modelEntry(model, accepted)))
  const config = parseConfig(
    {
      version: 1,
      name: options.text('name') ?? hostname().slice(0, 80),
      gateway: options.text('gateway') ?? DEFAULTS.gateway,
      endpoint,
      host: options.text('host') ?? '127.0.0.1',
      port,
      nodeId: null,
      models: models.map(({ entry }) => entry),
    },
    'what was asked for',
  )
  const identity = await createIdentity(home)
  await saveConfig(home, config)
  print(`node key        ${identity.nodeKey}`)
  print(`settlement key  ${identity.settlementAddress}`)
  print(`state folder    ${home}  (back up keys.json: a node without its keys is another node)`)
  for (const [index, { entry, licence, isOpen }] of models.entries())
    print(
      `${(index === 0 ? 'models' : '').padEnd(16)}${entry.folder}  (licence: ${licence}${isOpen ? ', not accepted yet' : ''})`,
    )
  print('')
  print('Next:')
  print('  1. look at config.json: prices, endpoint, models')
  for (const { entry, licence, isOpen } of models)
    if (isOpen)
      print(
        `     read the licence of ${entry.folder}; if you accept it, add "licence": ${JSON.stringify(licence)} to its entry`,
      )
  print('  2. souk-node start                                  serves, and greets the gateway')
  print("  3. SOUK_OPERATOR_KEY=0x... souk-node register       once, with your wallet's key")
}

function readPort(text: string | undefined): number {
  if (text === undefined) return DEFAULTS.port
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw usageError('option --port needs a number from 0 to 65535')
  return Number(text)
}

interface NewEntry {
  readonly entry: Pick<ModelConfig, 'folder' | 'prices' | 'licence'>
  readonly licence: string
  /** it must be accepted before the model can be served, and was not */
  readonly isOpen: boolean
}

/** Paths are relative to where the operator stands now, and kept absolute; prices start from the model's task. */
async function modelEntry(named: string, accepted: readonly string[]): Promise<NewEntry> {
  const folder = /^[A-Za-z0-9_-]+$/.test(named) || isAbsolute(named) ? named : resolve(named)
  const manifest = await readManifest(modelFolder(folder, '.'))
  const { task, licence } = manifest
  const isNeeded = await needsAcceptance(manifest)
  const isAccepted = isNeeded && accepted.includes(licence)
  const entry = { folder, prices: DEFAULT_PRICES[task], ...(isAccepted ? { licence } : {}) }
  return { entry, licence, isOpen: isNeeded && !isAccepted }
}
