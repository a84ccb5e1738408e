// What audits found of a node, by day and model. Which calls were audits is told to nobody.
import { Card, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import { Money } from '../ui/money.tsx'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded } from '../ui/state.tsx'

export function NodeAudits({ nodeId }: { nodeId: string }) {
  const audits = useQuery({
    queryKey: ['admin', 'node', nodeId, 'audits'],
    queryFn: () => read(api.api.nodes[':id'].audits.$get({ param: { id: nodeId } })),
  })
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        Audits
      </Title>
      <Loaded query={audits} rows={2}>
        {({ days }) =>
          days.length === 0 ? (
            <Empty title="No audit yet">
              <Text c="dimmed">What audits find stands here from the day after.</Text>
            </Empty>
          ) : (
            <Records
              caption="What audits found"
              rows={days}
              keyOf={({ day, model }) => `${day} ${model}`}
              columns={[
                { title: 'Day (UTC)', cell: ({ day }) => day },
                { title: 'Model', cell: ({ model }) => model },
                { title: 'Right', isNumber: true, cell: ({ right }) => right },
                { title: 'Wrong', isNumber: true, cell: ({ wrong }) => wrong },
                { title: 'No answer', isNumber: true, cell: ({ unanswered }) => unanswered },
                { title: 'Undecided', isNumber: true, cell: ({ undecided }) => undecided },
                { title: 'Findings', cell: ({ findings }) => findings.join(' ') || '–' },
                { title: 'Paid', isNumber: true, cell: ({ paid }) => <Money amount={paid} /> },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  )
}
