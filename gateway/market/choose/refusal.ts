// Why nobody can be asked (rule), as a code and in words that name the caller's own fields, so that who asked for too much reads what to drop.
import type { Explanation, Reason } from './explanation.ts'

export type Refusal = 'no_provider' | 'provider_busy' | 'context_length_exceeded'

const WISHES: ReadonlySet<Reason> = new Set<Reason>([
  'only',
  'ignore',
  'allow_fallbacks',
  'max_price',
  'max_latency',
  'min_throughput',
  'parameters',
  'require_parameters',
  'require_pinned',
  'data_collection',
  'regions',
])

/** Of those the caller would take: full ones come back soon; too small ones never do. */
export function refusalOf(explanation: Explanation): Refusal | null {
  if (explanation.chosen !== null) return null
  const wanted = [...lostCounts(explanation).keys()].filter((reason) => !WISHES.has(reason) && reason !== 'excluded')
  if (wanted.includes('busy')) return 'provider_busy'
  return wanted.includes('context') || wanted.includes('output') ? 'context_length_exceeded' : 'no_provider'
}

/**
 * One sentence for the caller; null when somebody can be asked.
 * @example 'Offers left out: 2 above provider.max_price, 1 with no place free.'
 */
export function refusalDetail({ explanation }: { readonly explanation: Explanation }): string | null {
  if (explanation.chosen !== null) return null
  if (explanation.offers === 0) return 'No node offers this model now.'
  const counts = [...lostCounts(explanation)].sort(([, a], [, b]) => b - a)
  const said = counts.flatMap(([reason, count]) => (isSaid(reason) ? `${count} ${WORDS[reason]}` : []))
  return said.length === 0 ? 'No node may be asked.' : `Offers left out: ${said.join(', ')}.`
}

/** Reasons a refusal can have: what is too dear or broken has somebody cheaper or better beside it. */
const WORDS = {
  excluded: 'that may not be asked for this call',
  only: 'not in provider.only',
  ignore: 'in provider.ignore',
  allow_fallbacks: 'not in provider.order, while provider.allow_fallbacks is false',
  max_price: 'above provider.max_price',
  max_latency: 'slower than provider.max_latency, or not yet measured',
  min_throughput: 'slower than provider.min_throughput, or not yet measured',
  parameters: 'that do not honour a parameter of the request',
  require_parameters: 'that do not say which parameters they honour, while provider.require_parameters is true',
  require_pinned: 'not pinned, as provider.require_pinned asks',
  data_collection: 'that may keep prompts, which provider.data_collection denies',
  regions: 'not known to be in provider.regions',
  context: 'with too small a context',
  output: 'with too short an answer',
  busy: 'with no place free',
} as const

const isSaid = (reason: Reason): reason is keyof typeof WORDS => reason in WORDS

function lostCounts({ candidates, others }: Explanation): Map<Reason, number> {
  const counts = new Map<Reason, number>()
  const add = (reason: Reason | null, count: number) => {
    if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + count)
  }
  for (const { lost } of candidates) add(lost, 1)
  for (const [reason, count] of Object.entries(others.lost)) if (isReason(reason)) add(reason, count ?? 0)
  return counts
}

const isReason = (text: string): text is Reason => text in WORDS || text === 'breaker_open' || text === 'price'
