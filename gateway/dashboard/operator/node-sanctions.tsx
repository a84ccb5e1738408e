// When a node was stopped or let in again, by whom and why.
import { Card, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { SanctionView } from '../../../protocol/operator.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { sanctionsQuery } from './node-queries.ts'

export function NodeSanctions({ nodeId }: { nodeId: string }) {
  const query = useQuery(sanctionsQuery(nodeId))
  return (
    <Card withBorder>
      <Loaded query={query}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="It was never stopped">
              <Text>
                Were the house or an audit to stop it, the reason and what it was decided by would stand here.
              </Text>
            </Empty>
          ) : (
            <Records
              caption="Stops and returns"
              columns={COLUMNS}
              rows={data}
              keyOf={({ at, what }) => `${at} ${what}`}
            />
          )
        }
      </Loaded>
    </Card>
  )
}

const COLUMNS: readonly Column<SanctionView>[] = [
  { title: 'Time', cell: ({ at }) => <When at={at} /> },
  { title: 'What', cell: ({ what }) => (what === 'suspended' ? 'Stopped' : 'Let in again') },
  { title: 'By', cell: ({ by }) => (by === 'audit' ? 'audits' : 'the house') },
  { title: 'Why', cell: ({ reason }) => reason },
  { title: 'Decided by', cell: ({ evidence }) => evidenceOf(evidence) },
]

const evidenceOf = (evidence: SanctionView['evidence']): string =>
  Object.entries(evidence)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ') || '–'
