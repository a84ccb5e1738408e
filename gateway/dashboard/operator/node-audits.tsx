// What audits found of a node, by day and model. Which calls were audits is told to nobody.
import { Card, List, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { NodeAuditsView } from '../../../protocol/operator.ts'
import { Money } from '../ui/money.tsx'
import { Records, type Column } from '../ui/records.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { auditsQuery } from './node-queries.ts'
import { count, share } from './node-state.tsx'

type Day = NodeAuditsView['days'][number]

export function NodeAudits({ nodeId }: { nodeId: string }) {
  const query = useQuery(auditsQuery(nodeId))
  return (
    <Loaded query={query}>
      {({ offers, days }) => (
        <Stack>
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Trust
            </Title>
            <Text size="sm" c="dimmed" mb="xs">
              The draw multiplies a model’s share of the calls by it. What an audit changed is told from the next day
              (UTC) on.
            </Text>
            {offers.length === 0 ? (
              <Text>It offers nothing.</Text>
            ) : (
              <Records caption="Trust by model" columns={TRUST} rows={offers} keyOf={({ model }) => model} />
            )}
          </Card>
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Findings by day
            </Title>
            {days.length === 0 ? (
              <Empty title="No audit of a day that is over">
                <Text>
                  Audits are calls like any other and paid as such. What they find stands here from the next day on.
                </Text>
              </Empty>
            ) : (
              <Records
                caption="Audits by day"
                columns={DAYS}
                rows={days}
                keyOf={({ day, model }) => `${day} ${model}`}
              />
            )}
          </Card>
        </Stack>
      )}
    </Loaded>
  )
}

const TRUST: readonly Column<NodeAuditsView['offers'][number]>[] = [
  { title: 'Model', cell: ({ model }) => model },
  { title: 'Trust', isNumber: true, cell: ({ trust }) => share(trust) },
]

const DAYS: readonly Column<Day>[] = [
  { title: 'Day (UTC)', cell: ({ day }) => day },
  { title: 'Model', cell: ({ model }) => model },
  { title: 'Right', isNumber: true, cell: ({ right }) => count(right) },
  { title: 'Wrong', isNumber: true, cell: ({ wrong }) => count(wrong) },
  { title: 'No answer', isNumber: true, cell: ({ unanswered }) => count(unanswered) },
  { title: 'Undecided', isNumber: true, cell: ({ undecided }) => count(undecided) },
  { title: 'Paid', isNumber: true, cell: ({ paid }) => <Money amount={paid} /> },
  {
    title: 'What was wrong',
    cell: ({ findings }) =>
      findings.length === 0 ? (
        '–'
      ) : (
        <List size="sm">
          {findings.map((finding) => (
            <List.Item key={finding}>{finding}</List.Item>
          ))}
        </List>
      ),
  },
]
