// A question about a range of time, and its answer, as every route of metering reads the one and writes the other.
import type { RangeQuery } from '../../../protocol/metering.ts'
import { GatewayError } from '../../core/errors.ts'
import { wholeRange, type Range } from './ranges.ts'
import { iso, type Sums } from './sums.ts'

/** @throws GatewayError invalid_request with the field that is wrong */
export function rangeOf(query: RangeQuery): Range {
  const ranged = wholeRange(query)
  if (!ranged.ok) throw new GatewayError('invalid_request', { param: ranged.param, detail: ranged.detail })
  return ranged.range
}

export const toldRange = ({ from, to, step }: Range) => ({ from: iso(from), to: iso(to), step })

/** @param view what is told of each point beside its time */
export const toldPoints = <View extends object>(
  points: readonly (readonly [at: number, sums: Sums])[],
  view: (sums: Sums, at: number) => View,
) => points.map(([at, sums]) => ({ at: iso(at), ...view(sums, at) }))

/** @param view what is told of each group beside its id */
export const toldGroups = <View extends object>(
  groups: readonly (readonly [id: string, sums: Sums])[],
  view: (sums: Sums) => View,
) => groups.map(([id, sums]) => ({ id, ...view(sums) }))
