// What a caller asks of who serves it (rule): OpenRouter's preference fields as the choice reads them, with what the request itself needs. Nothing
// asked for is the default of each field, so that a call without preferences and one with empty ones are chosen for alike.
import type { Continent, Parameter, ProviderPreferences } from '../../../protocol/routing.ts'
import { fromUsd, type Nanos } from '../../../protocol/units.ts'

export interface Wishes {
  /** node or account ids, asked first in this order */
  readonly order: readonly string[]
  /** node or account ids; null: all */
  readonly only: ReadonlySet<string> | null
  readonly ignore: ReadonlySet<string>
  readonly mayFallBack: boolean
  readonly sort: 'price' | 'throughput' | 'latency' | null
  /** nanos per million, and per call; null: the market's own ceiling */
  readonly maxPrice: {
    readonly inputPerMillion: Nanos | null
    readonly outputPerMillion: Nanos | null
    readonly bytesPerMillion: Nanos | null
    readonly perCall: Nanos | null
  } | null
  /** to the first token */
  readonly maxLatencyMs: number | null
  readonly minUnitsPerSecond: number | null
  /** request fields in use that not every engine honours */
  readonly parameters: ReadonlySet<Parameter>
  /** offers that do not say what they honour are left out as well */
  readonly mustSayParameters: boolean
  readonly mustBePinned: boolean
  readonly refusesCollection: boolean
  /** null: anywhere */
  readonly regions: ReadonlySet<Continent> | null
  /** where the caller is; null: not known */
  readonly callerRegion: Continent | null
}

export const NO_WISHES: Wishes = {
  order: [],
  only: null,
  ignore: new Set(),
  mayFallBack: true,
  sort: null,
  maxPrice: null,
  maxLatencyMs: null,
  minUnitsPerSecond: null,
  parameters: new Set(),
  mustSayParameters: false,
  mustBePinned: false,
  refusesCollection: false,
  regions: null,
  callerRegion: null,
}

/** @example wishesOf({ max_price: { prompt: "0.5" } }, new Set(), null).maxPrice?.inputPerMillion // 500_000_000n nanos */
export function wishesOf(
  preferences: ProviderPreferences | null | undefined,
  parameters: ReadonlySet<Parameter>,
  callerRegion: Continent | null,
): Wishes {
  const asked = preferences ?? {}
  const price = (usd: string | undefined): Nanos | null => (usd === undefined ? null : fromUsd(usd))
  return {
    order: asked.order ?? [],
    only: asked.only ? new Set(asked.only) : null,
    ignore: new Set(asked.ignore),
    mayFallBack: asked.allow_fallbacks ?? true,
    sort: asked.sort ?? null,
    maxPrice: asked.max_price
      ? {
          inputPerMillion: price(asked.max_price.prompt),
          outputPerMillion: price(asked.max_price.completion),
          bytesPerMillion: price(asked.max_price.bytes),
          perCall: price(asked.max_price.request),
        }
      : null,
    maxLatencyMs: asked.max_latency === undefined ? null : asked.max_latency * 1_000,
    minUnitsPerSecond: asked.min_throughput ?? null,
    parameters,
    mustSayParameters: asked.require_parameters ?? false,
    mustBePinned: asked.require_pinned ?? false,
    refusesCollection: asked.data_collection === 'deny',
    regions: asked.regions ? new Set(asked.regions) : null,
    callerRegion,
  }
}
