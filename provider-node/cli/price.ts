// `souk-node price`: what this node asks beside what others ask, and changing it: told to the gateway by the node's own key, then written into config.json
// in place. When the gateway refuses, nothing was changed.
import type { OfferPrices } from '../../protocol/node.ts'
import type { PriceRange } from '../../protocol/operator.ts'
import { savePrices } from '../config-edit.ts'
import { findConfigured, nameOf, offersWith, readConfigured, type Configured } from '../configured.ts'
import { gatewaySentence, isSilence } from '../gateway-api.ts'
import { silentLog } from '../log.ts'
import { othersPrices, priceWarnings } from '../market-prices.ts'
import { offerOf } from '../offers.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import { PRICE_KINDS, priceTable } from '../status/one-node.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'
import { PRICE_OPTIONS, readPrices } from './price-options.ts'
import { openNode, type OwnNode } from './registered.ts'
import { dollars, table } from './table.ts'

export const priceCommand: Command = {
  spec: {
    name: 'price',
    details: [
      "Without prices: this node's beside the lowest, middle and highest of all other live offers. With prices: changes config.json and tells the gateway, signed by the key of the node; no wallet, no restart. Calls under way keep the price they began with.",
    ],
    arguments: [
      { name: 'MODEL', help: 'its id or folder; needed for a change when there are several', isOptional: true },
    ],
    options: {
      ...SHARED_OPTIONS,
      ...PRICE_OPTIONS,
      'dry-run': { type: 'boolean', help: 'show what would change, and change nothing' },
      ...JSON_OPTION,
    },
  },
  run: runPrice,
}

export async function runPrice(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const given = readPrices(options)
  const [typed] = options.positionals
  const isChange = Object.keys(given).length > 0
  if (!isChange && options.flag('dry-run')) throw usageError('option --dry-run needs a price to try, such as --input')
  const own = await openNode(options, terminal)
  const models = await readConfigured(own.config, own.home)
  if (!isChange) return show(typed === undefined ? models : [findConfigured(models, typed)], own, options, terminal)
  const [first] = models
  if (typed === undefined && models.length > 1)
    throw usageError(`name the model whose price changes: ${models.map(nameOf).join(', ')}`)
  const model = typed === undefined && first ? first : findConfigured(models, typed ?? '')
  await change(model, { ...model.entry.prices, ...given }, { own, models, options, terminal })
}

interface Shown {
  readonly model: string
  readonly prices: OfferPrices
  /** null: nobody could be asked */
  readonly market: PriceRange | null
  readonly warnings: readonly string[]
}

async function show(
  models: readonly Configured[],
  own: OwnNode,
  options: ParsedOptions,
  { print, tell }: Terminal,
): Promise<void> {
  const shown = await Promise.all(
    models.map(async (model): Promise<Shown> => {
      const { prices } = model.entry
      const market = model.manifest ? await marketOf(own, model.manifest.id, tell) : null
      return { model: nameOf(model), prices, market, warnings: market ? priceWarnings(prices, market) : [] }
    }),
  )
  if (options.flag('json')) return print(JSON.stringify(shown))
  for (const [index, { model, prices, market, warnings }] of shown.entries()) {
    if (index > 0) print('')
    print(model)
    for (const line of priceTable(full(prices), market)) print(`  ${line}`)
    for (const line of warnings.flatMap(bullet)) print(line)
  }
}

/** null when the gateway does not answer, or does not know the model; that is told. */
async function marketOf(
  { config: { gateway }, api }: OwnNode,
  model: string,
  tell: (line: string) => void,
): Promise<PriceRange | null> {
  try {
    return await othersPrices(gateway, model, api)
  } catch (cause) {
    const sentence = gatewaySentence(cause, gateway)
    if (!(sentence instanceof OperatorError)) throw cause
    tell(`${sentence.message}${isSilence(cause) ? ': prices of others are not shown' : ''}`)
    return null
  }
}

async function change(
  model: Configured,
  prices: OfferPrices,
  {
    own,
    models,
    options,
    terminal,
  }: { own: OwnNode; models: Configured[]; options: ParsedOptions; terminal: Terminal },
): Promise<void> {
  const { home, api } = own
  const { print, tell, env } = terminal
  if (model.problem !== null) throw new OperatorError(model.problem)
  const { entry } = model
  const market = model.manifest ? await marketOf(own, model.manifest.id, tell) : null
  const warnings = market ? priceWarnings(prices, market) : []
  const isDry = options.flag('dry-run')
  if (!isDry && api) {
    const changed = await offerOf({ ...entry, prices }, { home, env, log: silentLog, isChecked: false })
    await api.putOffers(await offersWith(models, { changed, leaving: null }, { api, home, env }))
  }
  if (!isDry) await savePrices(home, entry.folder, prices)
  if (options.flag('json')) {
    const isTold = !isDry && api !== null
    return print(
      JSON.stringify({ model: nameOf(model), before: entry.prices, prices, market, warnings, isDry, isTold }),
    )
  }
  print(nameOf(model))
  for (const line of changeTable(entry.prices, prices, market)) print(`  ${line}`)
  for (const line of warnings.flatMap(bullet)) print(line)
  print(
    isDry
      ? 'Nothing was changed (--dry-run).'
      : api
        ? 'The gateway knows, and config.json is changed: new calls pay this.'
        : 'config.json is changed; the gateway is told when the node is registered.',
  )
}

type Full = Required<OfferPrices>

const full = (prices: OfferPrices): Full => ({
  ...{ cachedInputPerMillion: prices.inputPerMillion, bytesPerMillion: '0' },
  ...prices,
})

function changeTable(before: OfferPrices, after: OfferPrices, market: PriceRange | null): string[] {
  const [old, now] = [full(before), full(after)]
  const shown = PRICE_KINDS.filter(([kind]) => before[kind] !== after[kind])
  if (shown.length === 0) return ['the prices are these already']
  const range = market ? [market.low, market.median, market.high] : []
  return table([
    ['', 'before', 'now', ...(market ? ['low', 'median', 'high'] : [])],
    ...shown.map(([kind, name]) => [
      name,
      dollars(old[kind]),
      dollars(now[kind]),
      ...range.map((prices) => (prices ? dollars(prices[kind]) : '–')),
    ]),
  ])
}

function bullet(sentence: string): string[] {
  const [first = '', ...more] = wrap(sentence, COLUMNS - 4)
  return [`  ! ${first}`, ...more.map((line) => `    ${line}`)]
}
