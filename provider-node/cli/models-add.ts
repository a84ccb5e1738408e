// `souk-node models add`: from a name at the gateway, a folder or a shipped name to a model that is offered: its licence accepted, its files fetched and checked, written into
// config.json, and told to the gateway by the node's own key. Again is harmless, so a run that broke off is simply repeated.
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { OfferPrices } from '../../protocol/node.ts'
import type { PriceRange } from '../../protocol/operator.ts'
import { isModelId } from '../../protocol/units.ts'
import { readClaim } from '../claim.ts'
import { ModelConfig } from '../config.ts'
import { addModel } from '../config-edit.ts'
import { offersWith, readConfigured } from '../configured.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { othersPrices, priceWarnings } from '../market-prices.ts'
import { hasManifest, shippedFolder } from '../model-store/manifest.ts'
import { takePublished } from '../model-store/published.ts'
import { offerOf } from '../offers.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import { localModels } from '../status/facts.ts'
import { priceTable } from '../status/one-node.ts'
import type { Command } from './commands.ts'
import { modelEntry, type NewEntry } from './model-entry.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'
import { PRICE_OPTIONS, readPrices } from './price-options.ts'
import { progressLog } from './progress.ts'
import { openNode, type OwnNode } from './registered.ts'

export const modelsAddCommand: Command = {
  spec: {
    name: 'models add',
    details: [
      'Takes the manifest of a model from the gateway, or from a folder. Fetches what is missing, checks every file, and offers the model; the running node loads it by itself. Prices that are not given are a start for its task, to be looked at.',
      'With --engine openai or oip another server computes, and nothing but the manifest is needed.',
    ],
    arguments: [
      {
        name: 'MODEL',
        help: 'AUTHOR/NAME, as the gateway knows it; or a folder with a manifest.json, or a shipped name',
      },
    ],
    options: {
      ...SHARED_OPTIONS,
      'accept-licence': {
        type: 'string',
        value: 'SPDX',
        help: 'the licence of the model, which you have read and accept',
      },
      ...PRICE_OPTIONS,
      concurrency: { type: 'string', value: 'N', help: 'calls at the same time (what its manifest says, else 4)' },
      engine: { type: 'string', value: 'NAME', help: 'onnx (in this program), openai or oip' },
      'upstream-url': { type: 'string', value: 'URL', help: 'of that server' },
      'upstream-model': { type: 'string', value: 'NAME', help: 'what it calls the model' },
      'upstream-key-env': { type: 'string', value: 'VARIABLE', help: 'environment variable that holds its token' },
      ...JSON_OPTION,
    },
  },
  run: runModelsAdd,
}

/** ms a running node gets to load the model before this stops looking, and ms between two looks */
const LOAD_MS = 120_000
const LOOK_MS = 500

export async function runModelsAdd(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, tell, env } = terminal
  const prices = readPrices(options)
  const own = await openNode(options, terminal)
  const { home, config, api } = own
  const models = await readConfigured(config, home)
  const wanted = await wantedEntry(options.positionals[0] ?? '', options, own, tell)
  const { manifest } = wanted
  const known = models.find((model) => model.manifest?.id === manifest.id)
  if (known && Object.keys(prices).length > 0)
    throw new OperatorError(`${manifest.id} is configured already: change its price with souk-node price`)
  const entry = known?.entry ?? entryOf(options, { ...wanted.entry, prices: { ...wanted.entry.prices, ...prices } })
  if (entry.engine === 'onnx' && wanted.isOpen && entry.licence !== manifest.licence)
    throw new OperatorError(
      `the model ${manifest.id} is under the licence ${manifest.licence}: read it, and if you accept it give --accept-licence ${JSON.stringify(manifest.licence)}`,
    )
  const market = await marketOf(own, manifest.id, tell)
  const offer = await offerOf(entry, { home, env, log: progressLog(tell), isChecked: true })
  if (!known) await addModel(home, withoutDefaults(entry))
  const state = await followed(home, manifest.id, tell)
  if (state === 'failed')
    throw new OperatorError(`the running node could not load ${manifest.id}: its log says why (model failed)`)
  if (api) await api.putOffers(await offersWith(models, { changed: offer, leaving: null }, { api, home, env }))
  const warnings = market ? priceWarnings(entry.prices, market) : []
  const isTold = api !== null
  if (options.flag('json'))
    return print(
      JSON.stringify({ model: manifest.id, folder: entry.folder, prices: entry.prices, market, warnings, isTold }),
    )
  print(
    `${manifest.id}  ${known ? 'was configured already' : 'is in config.json'}${state === null ? '' : `, ${state}`}`,
  )
  for (const line of priceTable(full(entry.prices), market)) print(`  ${line}`)
  for (const line of warnings.flatMap((text) => wrap(`! ${text}`, COLUMNS - 2))) print(`  ${line}`)
  print(isTold ? 'The gateway probes it next: souk-node models list.' : 'Next: souk-node register')
}

/** A folder that is there is meant before a model of that name at the gateway. */
async function wantedEntry(
  named: string,
  options: ParsedOptions,
  { home, config: { gateway } }: OwnNode,
  tell: (line: string) => void,
): Promise<NewEntry> {
  const accepted = options.all('accept-licence')
  const isHere = !isModelId(named) || (await hasManifest(resolve(named))) || (await shippedFolder(named)) !== null
  if (isHere) return modelEntry(named, accepted)
  const isComputedHere = (options.text('engine') ?? 'onnx') === 'onnx'
  const folder = await takePublished(named, { home, gateway, isComputedHere, tell })
  const wanted = await modelEntry(join(home, folder), accepted)
  // Relative to the state folder, which may be moved.
  return { ...wanted, entry: { ...wanted.entry, folder } }
}

const full = (prices: OfferPrices): Required<OfferPrices> => ({
  ...{ cachedInputPerMillion: prices.inputPerMillion, bytesPerMillion: '0' },
  ...prices,
})

/** @throws OperatorError with exit code 2 naming the option */
function entryOf(options: ParsedOptions, base: Pick<ModelConfig, 'folder' | 'prices' | 'licence'>): ModelConfig {
  const [url, model, apiKeyEnv] = ['url', 'model', 'key-env'].map((name) => options.text(`upstream-${name}`))
  const engine = options.text('engine') ?? 'onnx'
  const concurrency = options.text('concurrency')
  if (engine !== 'onnx' && (url === undefined || model === undefined))
    throw usageError(`--engine ${engine} needs --upstream-url and --upstream-model`)
  if (engine === 'onnx' && (url ?? model ?? apiKeyEnv) !== undefined)
    throw usageError('--upstream-… goes with --engine openai or oip')
  const parsed = ModelConfig.safeParse({
    ...base,
    engine,
    ...(url === undefined ? {} : { upstream: { url, model, ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }) } }),
    ...(concurrency === undefined ? {} : { concurrencyMax: /^\d{1,6}$/.test(concurrency) ? Number(concurrency) : NaN }),
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw usageError(`${OPTION_OF[String(issue?.path[0])] ?? issue?.path.join('.')} is not valid: ${issue?.message}`)
}

const OPTION_OF: Readonly<Record<string, string>> = {
  concurrencyMax: '--concurrency',
  engine: '--engine',
  upstream: '--upstream-…',
}

/** Only what was said: the file stays short, and a later default is a later default. */
function withoutDefaults({ queueMax: _queueMax, threads: _threads, engine, ...entry }: ModelConfig) {
  return engine === 'onnx' ? entry : { ...entry, engine }
}

/** @throws OperatorError when the gateway does not know the model, or a registered node's gateway is silent: then nothing was changed */
async function marketOf(
  { config: { gateway }, api }: OwnNode,
  model: string,
  tell: (line: string) => void,
): Promise<PriceRange | null> {
  try {
    return await othersPrices(gateway, model, api)
  } catch (cause) {
    const sentence = gatewaySentence(cause, gateway)
    if (api || !(sentence instanceof OperatorError) || cause instanceof OperatorError) throw sentence
    tell(`${sentence.message}: prices of others are not shown`)
    return null
  }
}

/** The model's state in the running node, once it is settled; null where no node listens. */
async function followed(home: string, model: string, tell: (line: string) => void): Promise<string | null> {
  const running = await readClaim(home, Date.now)
  const until = Date.now() + LOAD_MS
  for (let isTold = false; ; isTold = true) {
    const local = await localModels(running)
    if (local === null) return null
    const state = local.find((one) => one.model === model)?.state
    if (state === 'loaded' || state === 'unloaded' || state === 'failed') return state
    if (Date.now() >= until) return 'is still being loaded'
    if (!isTold) tell('the running node loads it')
    await wait(LOOK_MS)
  }
}
