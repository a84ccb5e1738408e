// What all nodes of the account brought in: over time, by node and by model, and as a file. The range stands in the address.
import { Button, Card, Group, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import type { OperatorEarningsReply } from '../../../protocol/metering.ts'
import { api } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { download } from '../ui/download.ts'
import { TextLink } from '../ui/links.tsx'
import { Money } from '../ui/money.tsx'
import { RangePicker } from '../ui/range-picker.tsx'
import { rangeOf, type RangeSearch } from '../ui/range.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Loaded } from '../ui/state.tsx'
import { TimeChart } from '../ui/time-chart.tsx'
import type { Series } from '../ui/time-chart-rows.ts'
import { ModelLink } from './model-link.tsx'
import { earnedQuery } from './node-queries.ts'
import { count } from './node-state.tsx'

const route = getRouteApi('/earnings')

/** @param names of nodes by their id, as far as they are known */
export function EarnedOverTime({ names }: { names: ReadonlyMap<string, string> }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const range = rangeOf(search, Date.now())
  const query = useQuery({ ...earnedQuery(range), placeholderData: keepPreviousData })
  const show = (next: RangeSearch) => void navigate({ to: '/earnings', search: next, replace: true })
  const file = useAction({
    run: () => download(api.api.operator.earnings.$get({ query: { ...range, format: 'csv' } }), 'earnings.csv'),
  })
  const byNode: readonly Column<Group>[] = [
    {
      title: 'Node',
      cell: ({ id }) => (
        <TextLink inherit to="/nodes/$nodeId" params={{ nodeId: id }} search={{ view: 'earnings' }}>
          {names.get(id) ?? id}
        </TextLink>
      ),
    },
    ...SUMS,
  ]
  return (
    <>
      <Group justify="space-between">
        <Title order={2} size="h3">
          Earned
        </Title>
        <Group gap="xs" align="flex-end">
          <RangePicker search={search} onChange={show} />
          <Button size="xs" variant="default" loading={file.isPending} onClick={() => file.mutate(undefined)}>
            Download CSV
          </Button>
        </Group>
      </Group>
      <Loaded query={query} rows={10}>
        {(earned) => (
          <>
            <TimeChart title="Earned over time" {...earned} series={SERIES} onZoom={(from, to) => show({ from, to })} />
            <Groups title="By node" columns={byNode} rows={earned.nodes} />
            <Groups title="By model" columns={BY_MODEL} rows={earned.models} />
          </>
        )}
      </Loaded>
    </>
  )
}

type Group = OperatorEarningsReply['nodes'][number]

function Groups({
  title,
  columns,
  rows,
}: {
  title: string
  columns: readonly Column<Group>[]
  rows: readonly Group[]
}) {
  return (
    <Card withBorder>
      <Title order={3} size="h4" mb="xs">
        {title}
      </Title>
      {rows.length === 0 ? (
        <Text size="sm">No call was paid in this range. A longer range may have some.</Text>
      ) : (
        <Records caption={`Earned ${title.toLowerCase()}`} columns={columns} rows={rows} keyOf={({ id }) => id} />
      )}
    </Card>
  )
}

const SUMS: readonly Column<Group>[] = [
  { title: 'Calls', isNumber: true, cell: ({ calls }) => count(calls) },
  { title: 'Failed', isNumber: true, cell: ({ errors }) => count(errors) },
  { title: 'Callers paid', isNumber: true, cell: ({ charge }) => <Money amount={charge} dimmed /> },
  { title: 'You earned', isNumber: true, cell: ({ earned }) => <Money amount={earned} /> },
]

const BY_MODEL: readonly Column<Group>[] = [{ title: 'Model', cell: ({ id }) => <ModelLink id={id} /> }, ...SUMS]

const SERIES: readonly Series<OperatorEarningsReply['points'][number]>[] = [
  { key: 'earned', label: 'Earned', unit: '$', of: ({ earned }) => earned },
]
