// What calls were charged, month by month.
import { Card, Progress, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import { Money } from '../ui/money.tsx'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { monthName, monthsOf, rangeOfMonths } from './months.ts'

const MONTHS = 12

export function SpendByMonth() {
  const spend = useQuery({
    queryKey: ['spend', 'months'],
    queryFn: async () => {
      const range = rangeOfMonths(Date.now(), MONTHS)
      const { points } = await read(api.api.spend.$get({ query: { ...range, step: 'day' } }))
      return monthsOf(points)
    },
  })
  return (
    <Card withBorder component="section" aria-label="Spend by month">
      <Title order={2} size="h4" mb="sm">
        Spend by month
      </Title>
      <Loaded query={spend} rows={3}>
        {(months) =>
          months.length === 0 ? (
            <Empty title="Nothing was spent in the last twelve months">
              <Text>Try a model in the playground, or make an API key for your own program.</Text>
            </Empty>
          ) : (
            <Records
              caption="Spend by month, newest first"
              rows={months}
              keyOf={({ month }) => month}
              columns={[
                { title: 'Month', cell: ({ month }) => monthName(month) },
                { title: 'Calls', isNumber: true, cell: ({ calls }) => calls.toLocaleString('en') },
                { title: 'Charged', isNumber: true, cell: ({ charge }) => <Money amount={charge} /> },
                { title: 'Compared', cell: ({ share }) => <Progress value={share * 100} aria-hidden /> },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  )
}
