// `souk-node models list|remove`: what this node serves, and taking a model out. The gateway is told first by the node's own key, so that no call comes for
// what is gone; the running node follows config.json by itself.
import type { OfferView } from '../../protocol/node.ts'
import { readClaim } from '../claim.ts'
import { removeModel } from '../config-edit.ts'
import { findConfigured, nameOf, offersWith, readConfigured, type Configured } from '../configured.ts'
import {
  downloadFolder,
  filesBytes,
  isShippedFolder,
  missingFiles,
  modelDigest,
  modelFolder,
} from '../model-store/manifest.ts'
import { OperatorError } from '../operator-error.ts'
import { localModels, type LocalModel } from '../status/facts.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'
import { openNode } from './registered.ts'
import { bytes, dollars } from './table.ts'

export const modelsListCommand: Command = {
  spec: {
    name: 'models list',
    details: [
      'Each model of config.json: its state here (known where the node listens) and at the gateway, digest, size, licence and price.',
    ],
    options: { ...SHARED_OPTIONS, ...JSON_OPTION },
  },
  run: runModelsList,
}

export const modelsRemoveCommand: Command = {
  spec: {
    name: 'models remove',
    details: ['The gateway sends no more calls for it, running ones finish, then it is unloaded. Its files stay.'],
    arguments: [{ name: 'MODEL', help: 'its id or folder' }],
    options: { ...SHARED_OPTIONS, ...JSON_OPTION },
  },
  run: runModelsRemove,
}

interface Row {
  readonly model: string
  readonly folder: string
  readonly engine: string
  /** of the running node where it listens, else what the disk says */
  readonly here: string
  readonly digest: string | null
  readonly sizeBytes: number | null
  readonly licence: string | null
  readonly prices: Configured['entry']['prices']
  /** null: not offered, or not known */
  readonly gateway: { readonly state: string; readonly reason: string | null } | null
}

export async function runModelsList(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, tell } = terminal
  const { home, config, api } = await openNode(options, terminal)
  const [models, local, offers] = await Promise.all([
    readConfigured(config, home),
    readClaim(home, Date.now).then(localModels),
    api ? offersAt(() => api.status(), tell) : Promise.resolve(null),
  ])
  const rows = await Promise.all(models.map((model) => rowOf(model, home, local, offers)))
  if (options.flag('json')) return print(JSON.stringify(rows))
  for (const [index, row] of rows.entries()) {
    if (index > 0) print('')
    for (const line of shown(row, { isRegistered: api !== null, isKnown: offers !== null })) print(line)
  }
}

/** null when the gateway cannot be asked: that is told, and the rest is shown. */
async function offersAt(
  status: () => Promise<{ readonly node: { readonly offers: readonly OfferView[] } }>,
  tell: (line: string) => void,
): Promise<readonly OfferView[] | null> {
  try {
    return (await status()).node.offers
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause
    tell(cause.message)
    return null
  }
}

async function rowOf(
  { entry, manifest, problem }: Configured,
  home: string,
  local: readonly LocalModel[] | null,
  offers: readonly OfferView[] | null,
): Promise<Row> {
  const offer = offers?.find(({ model }) => model === manifest?.id)
  return {
    model: manifest?.id ?? entry.folder,
    folder: entry.folder,
    engine: entry.engine,
    here: problem ?? local?.find(({ model }) => model === manifest?.id)?.state ?? (await onDisk(entry, manifest, home)),
    digest: manifest ? modelDigest(manifest.files) : null,
    sizeBytes: manifest && entry.engine === 'onnx' ? await sizeOf(entry.folder, manifest, home) : null,
    licence: manifest?.licence ?? null,
    prices: entry.prices,
    gateway: offer ? { state: offer.state, reason: offer.reason } : null,
  }
}

async function onDisk(
  { folder, engine }: Configured['entry'],
  manifest: Configured['manifest'],
  home: string,
): Promise<string> {
  if (manifest === null) return 'unknown'
  if (engine !== 'onnx') return 'at another server'
  const missing = await missingFiles(await filesFolder(folder, manifest, home), manifest)
  return missing.length === 0 ? 'on disk' : `${missing.length} files are not fetched yet`
}

type Manifest = NonNullable<Configured['manifest']>

/** Fetched files of a shipped manifest stand in the state folder. */
async function filesFolder(named: string, manifest: Manifest, home: string): Promise<string> {
  const folder = modelFolder(named, home)
  if (!isShippedFolder(folder) || (await missingFiles(folder, manifest)).length === 0) return folder
  return downloadFolder(home, manifest)
}

async function sizeOf(named: string, manifest: Manifest, home: string): Promise<number> {
  const folder = await filesFolder(named, manifest, home)
  return filesBytes(manifest, folder)
}

function shown(row: Row, { isRegistered, isKnown }: { isRegistered: boolean; isKnown: boolean }): string[] {
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion, bytesPerMillion, perCall } = row.prices
  const prices = [
    ['input', inputPerMillion],
    ['output', outputPerMillion],
    ['cached input', cachedInputPerMillion],
    ['tensor bytes', bytesPerMillion],
    ['per call', perCall],
  ].flatMap(([name, usd]) => (usd !== undefined && Number(usd) > 0 ? [`${name} $${dollars(usd)}`] : []))
  const about = [
    ...(row.digest === null ? [] : [`digest ${row.digest.slice(0, 12)}…`]),
    ...(row.sizeBytes === null ? [] : [bytes(row.sizeBytes)]),
    ...(row.licence === null ? [] : [row.licence]),
    ...(row.folder === row.model ? [] : [row.folder]),
  ]
  const at = row.gateway
    ? `${row.gateway.state}${row.gateway.reason ? `: ${row.gateway.reason}` : ''}`
    : !isRegistered
      ? 'not registered yet: souk-node register'
      : isKnown
        ? `not offered: souk-node models add ${row.folder}`
        : 'not known'
  return [
    row.model,
    ...field('here', row.here),
    ...field('gateway', at),
    ...field('files', about.join(', ')),
    ...field('prices', prices.length === 0 ? 'free of charge' : `${prices.join(', ')} (tokens, bytes: per million)`),
  ]
}

function field(name: string, text: string): string[] {
  const head = `  ${name.padEnd(9)}`
  const [first = '', ...more] = wrap(text, COLUMNS - head.length)
  return [head + first, ...more.map((line) => ' '.repeat(head.length) + line)]
}

export async function runModelsRemove(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, env } = terminal
  const { home, config, api } = await openNode(options, terminal)
  const models = await readConfigured(config, home)
  const model = findConfigured(models, options.positionals[0] ?? '')
  if (models.length === 1)
    throw new OperatorError('a node serves at least one model: add another first, or stop it with souk-node drain')
  if (api) {
    const leaving = nameOf(model)
    const offers = await offersWith(models, { changed: null, leaving }, { api, home, env })
    if (offers.length === 0)
      throw new OperatorError(
        `${leaving} is the only model the gateway has of this node: offer another first (souk-node models add), or stop it with souk-node drain`,
      )
    await api.putOffers(offers)
  }
  await removeModel(home, model.entry.folder)
  if (options.flag('json')) return print(JSON.stringify({ model: nameOf(model), isTold: api !== null }))
  print(`${nameOf(model)} is out of config.json${api ? ', and the gateway sends no more calls for it' : ''}.`)
}
