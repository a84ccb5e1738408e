// One offer on the screen of its node (rule): how it did, in all and in the last minutes and the last day, and what callers may choose it by.
import type { NodeStatusView } from '../../protocol/operator.ts'
import { count, table } from '../cli/table.ts'

export function healthOf(health: NodeStatusView['health'][number], { concurrencyMax }: Offer): string {
  const { success, firstTokenMs, unitsPerSecond, inFlight, inFlightCap, busyShare, trust, breaker } = health
  const isCapped = inFlightCap !== undefined && inFlightCap < concurrencyMax
  return [
    success === null ? 'not known yet' : `${(success * 100).toFixed(1)} % served`,
    ...(firstTokenMs === null ? [] : [`first answer after ${count(Math.round(firstTokenMs))} ms`]),
    ...(unitsPerSecond === null ? [] : [`${unitsPerSecond.toFixed(unitsPerSecond < 10 ? 1 : 0)} units/s`]),
    ...(busyShare ? [`${(busyShare * 100).toFixed(1)} % refused as busy`] : []),
    ...(trust === undefined || trust === 1 ? [] : [`trusted to ${Math.round(trust * 100)} %`]),
    `${inFlight} under way${isCapped ? ` of at most ${inFlightCap}` : ''}`,
    ...(breaker === 'closed' ? [] : [`breaker ${breaker.replace('_', ' ')}`]),
  ].join(', ')
}

/** Nothing of windows in which nobody called. */
export function windowTable({ m5, m30, d1 }: NonNullable<NodeStatusView['health'][number]['windows']>): string[] {
  const windows = [
    ['5 min', m5],
    ['30 min', m30],
    ['day', d1],
  ] as const
  if (windows.every(([, { attempts }]) => attempts === 0)) return []
  const ms = (value: number | undefined) => (value === undefined ? '–' : count(Math.round(value)))
  return table([
    ['last', 'attempts', 'served', 'busy', 'begin p50 ms', 'p99 ms', 'units/s p50'],
    ...windows.map(([name, { attempts, served, busy, firstTokenMs, unitsPerSecond }]) => [
      name,
      count(attempts),
      count(served),
      count(busy),
      ms(firstTokenMs?.p50),
      ms(firstTokenMs?.p99),
      ms(unitsPerSecond?.p50),
    ]),
  ])
}

type Offer = NodeStatusView['node']['offers'][number]

/** What callers may choose it by. */
export function promisesOf(offer: Offer): string {
  const { assurance, continues } = offer
  const said = [assurance, fieldsOf(offer), continues ? 'goes on from others' : undefined, keptOf(offer)]
  return said.filter((part) => part !== undefined).join('; ')
}

function fieldsOf({ parameters }: Offer): string | undefined {
  if (!parameters) return 'fields it honours not said'
  return parameters.length === 0 ? undefined : `honours ${parameters.join(', ')}`
}

function keptOf({ assurance, collectsData }: Offer): string {
  if (collectsData) return 'keeps prompts'
  return collectsData === false || assurance === 'pinned' ? 'keeps no prompts' : 'keeping prompts not said'
}
