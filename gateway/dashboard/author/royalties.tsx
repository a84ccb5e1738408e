// What the account's models brought in, over time and by model. The range stands in the address.
import { Button, Card, Group, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import type { RoyaltiesReply } from '../../../protocol/metering.ts'
import { api } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { download } from '../ui/download.ts'
import { Money } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { RangePicker } from '../ui/range-picker.tsx'
import { rangeOf, type RangeSearch } from '../ui/range.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Loaded } from '../ui/state.tsx'
import { TimeChart } from '../ui/time-chart.tsx'
import type { Series } from '../ui/time-chart-rows.ts'
import { royaltiesQuery } from './publication-queries.ts'

const route = getRouteApi('/publications')

export function Royalties() {
  const search = route.useSearch()
  const navigate = useNavigate()
  const range = rangeOf(search, Date.now())
  const query = useQuery({ ...royaltiesQuery(range), placeholderData: keepPreviousData })
  const show = (next: RangeSearch) => void navigate({ to: '/publications', search: next, replace: true })
  const file = useAction({
    run: () => download(api.api.author.royalties.$get({ query: { ...range, format: 'csv' } }), 'royalties.csv'),
  })
  return (
    <>
      <Group justify="space-between">
        <Title order={2} size="h3">
          Royalties
        </Title>
        <Group gap="xs">
          <RangePicker search={search} onChange={show} />
          <Button size="xs" variant="default" loading={file.isPending} onClick={() => file.mutate(undefined)}>
            Download CSV
          </Button>
        </Group>
      </Group>
      <Loaded query={query} rows={8}>
        {(royalties) => (
          <>
            <TimeChart
              title="Royalties over time"
              {...royalties}
              series={SERIES}
              onZoom={(from, to) => show({ from, to })}
            />
            <Card withBorder>
              <Title order={3} size="h4" mb="xs">
                By model
              </Title>
              {royalties.models.length === 0 ? (
                <Text size="sm">No call of your models was charged in this range.</Text>
              ) : (
                <Records
                  caption="Royalties by model"
                  columns={COLUMNS}
                  rows={royalties.models}
                  keyOf={({ id }) => id}
                />
              )}
            </Card>
          </>
        )}
      </Loaded>
    </>
  )
}

const SERIES: readonly Series<RoyaltiesReply['points'][number]>[] = [
  { key: 'royalty', label: 'Royalty', unit: '$', of: ({ royalty }) => royalty },
]

const COLUMNS: readonly Column<RoyaltiesReply['models'][number]>[] = [
  { title: 'Model', cell: ({ id }) => id },
  { title: 'Calls', isNumber: true, cell: ({ calls }) => quantity(calls, 'calls') },
  { title: 'Callers paid', isNumber: true, cell: ({ charge }) => <Money amount={charge} dimmed /> },
  { title: 'Royalty', isNumber: true, cell: ({ royalty }) => <Money amount={royalty} /> },
]
