// What waits for somebody of the house, and how far the book is behind: counts that lead to their pages.
import { useQuery } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import { TextLink } from '../ui/links.tsx'
import { quantity } from '../ui/quantity.ts'
import { Figures } from '../ui/figures.tsx'

/** ms between two looks: nothing here changes by the second */
const LOOK_MS = 30_000
/** more than so many are "so many and more" */
const COUNTED = 100
const OPEN = { query: { state: 'open' as const, limit: String(COUNTED) } }

interface Page {
  readonly data: readonly unknown[]
  readonly nextCursor: string | null
}
const countOf = ({ data, nextCursor }: Page): string => `${data.length}${nextCursor === null ? '' : ' and more'}`

/** @param lagMs null: not known yet */
export function Waiting({ lagMs }: { lagMs: number | null }) {
  const waiting = useQuery({
    queryKey: ['admin', 'waiting'],
    queryFn: async () => {
      const [ledger, disputes, reports, requested] = await Promise.all([
        read(api.api.admin.ledger.$get()),
        read(api.api.admin.disputes.$get(OPEN)),
        read(api.api.admin.reports.$get(OPEN)),
        read(api.api.admin.withdrawals.$get({ query: { state: 'requested', limit: String(COUNTED) } })),
      ])
      return {
        alerts: String(ledger.alertsOpen),
        disputes: countOf(disputes),
        reports: countOf(reports),
        withdrawals: countOf(requested),
      }
    },
    refetchInterval: LOOK_MS,
  }).data
  return (
    <Figures
      figures={[
        {
          name: 'The book is behind by',
          value: (
            <TextLink inherit to="/admin/ledger">
              {lagMs === null ? '–' : lagMs < 1_000 ? quantity(lagMs, 'ms') : quantity(Math.round(lagMs / 1_000), 's')}
            </TextLink>
          ),
        },
        {
          name: 'Open alerts',
          value: (
            <TextLink inherit to="/admin/ledger">
              {waiting?.alerts ?? '–'}
            </TextLink>
          ),
        },
        {
          name: 'Open disputes',
          value: (
            <TextLink inherit to="/admin/disputes" search={{ state: 'open' }}>
              {waiting?.disputes ?? '–'}
            </TextLink>
          ),
        },
        {
          name: 'Open reports',
          value: (
            <TextLink inherit to="/admin/reports" search={{ state: 'open' }}>
              {waiting?.reports ?? '–'}
            </TextLink>
          ),
        },
        {
          name: 'Withdrawals to pay',
          value: (
            <TextLink inherit to="/admin/money" search={{ state: 'requested' }}>
              {waiting?.withdrawals ?? '–'}
            </TextLink>
          ),
        },
      ]}
    />
  )
}
