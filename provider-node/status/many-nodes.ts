// Several nodes on one page (rule): a line for each, their sums, and below for each the first thing that stands in its way.
import type { NodeView } from '../../protocol/node.ts'
import type { Traffic } from '../../protocol/operator.ts'
import { fromUsd, nanos, toUsd } from '../../protocol/units.ts'
import { COLUMNS, wrap } from '../cli/options.ts'
import { count, dollars, table } from '../cli/table.ts'
import type { NodeFacts } from './facts.ts'

export interface NodeLine {
  readonly name: string
  readonly state: string
  /** `up`, `down`, `https`, or `?` */
  readonly reached: string
  /** null: not known */
  readonly day: Pick<Traffic, 'calls' | 'errors' | 'earned'> | null
  readonly month: Pick<Traffic, 'calls' | 'errors' | 'earned'> | null
  /** what stands in its way, or why nothing is known of it */
  readonly reason: string | null
}

export const reachedOf = ({ link }: Pick<NodeView, 'link'>): string => {
  if (!link) return 'https'
  return link.upSince !== null && (link.downSince === null || link.upSince > link.downSince) ? 'up' : 'down'
}

export const lineOf = ({ home, config, status, problem }: NodeFacts): NodeLine => ({
  name: status?.node.name ?? config?.name ?? home,
  state: status?.node.state ?? '?',
  reached: status ? reachedOf(status.node) : '?',
  day: status?.traffic.day ?? null,
  month: status?.traffic.month ?? null,
  reason: problem ?? status?.reasons[0] ?? null,
})

export function showNodes(lines: readonly NodeLine[]): string[] {
  const days = lines.flatMap(({ day }) => day ?? [])
  const months = lines.flatMap(({ month }) => month ?? [])
  const sum = ['all', `${lines.length}`, '', ...figures(total(days)), earned(total(months))]
  const reasons = lines.flatMap(({ name, reason }) => (reason === null ? [] : [[name, reason] as const]))
  return [
    ...table(
      [
        ['node', 'state', 'link', 'calls/day', 'failed', '$/day', '$/30 days'],
        ...lines.map((line) => [short(line.name), line.state, line.reached, ...figures(line.day), earned(line.month)]),
        sum,
      ],
      [0, 1, 2],
    ),
    ...(reasons.length === 0 ? [] : ['']),
    ...reasons.flatMap(([name, reason]) => {
      const [first = '', ...more] = wrap(`${name}: ${reason}`, COLUMNS - 2)
      return [`- ${first}`, ...more.map((text) => `  ${text}`)]
    }),
  ]
}

type Sum = Pick<Traffic, 'calls' | 'errors' | 'earned'>

const figures = (sum: Sum | null): string[] =>
  sum ? [count(sum.calls), count(sum.errors), earned(sum)] : ['?', '?', '?']
const earned = (sum: Sum | null): string => (sum ? dollars(sum.earned) : '?')

/** null: of none of them anything is known. */
function total(sums: readonly Sum[]): Sum | null {
  if (sums.length === 0) return null
  return {
    calls: sums.reduce((all, { calls }) => all + calls, 0),
    errors: sums.reduce((all, { errors }) => all + errors, 0),
    earned: toUsd(nanos(sums.reduce((all, sum) => all + fromUsd(sum.earned), 0n))),
  }
}

/** Columns a name may take, so that the line fits. */
const NAME_MAX = 20
const short = (name: string): string => (name.length <= NAME_MAX ? name : `${name.slice(0, NAME_MAX - 1)}…`)
