// The head of an account's journal, asked of its guard at this moment, and what verification found in it.
import { Alert, Card, Code, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import { Records } from '../ui/records.tsx'
import { Loaded } from '../ui/state.tsx'
import { Figures } from '../ui/figures.tsx'
import { projectionFigures } from './projection-figures.tsx'
import { RebuildButton } from './rebuild.tsx'

const COUNT = new Intl.NumberFormat('en')

export function JournalStand({ accountId }: { accountId: string }) {
  const stand = useQuery({
    queryKey: ['admin', 'account', accountId, 'journal'],
    queryFn: () => read(api.api.admin.ledger[':account'].$get({ param: { account: accountId } })),
  })
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        Journal
      </Title>
      <Loaded query={stand}>
        {(found) => (
          <>
            <Figures
              figures={[
                { name: 'Lines', value: COUNT.format(found.seq), note: `in book ${found.book}` },
                { name: 'Checked up to line', value: COUNT.format(found.checkedSeq) },
                ...projectionFigures(found),
              ]}
            />
            <Text size="sm" mt="sm">
              Hash of the newest line: <Code style={{ overflowWrap: 'anywhere' }}>{found.hash}</Code>
            </Text>
            {found.breaches.length === 0 ? (
              <Text size="sm" my="xs">
                Verification found nothing wrong.
              </Text>
            ) : (
              <Alert color="red" title="Verification found something wrong" my="xs">
                <Records
                  caption="What verification found"
                  rows={found.breaches}
                  keyOf={({ kind, at, detail }) => `${kind} ${at} ${detail}`}
                  columns={[
                    { title: 'What', cell: ({ kind }) => kind },
                    { title: 'Where', cell: ({ at }) => at },
                    { title: 'In words', cell: ({ detail }) => detail },
                  ]}
                />
              </Alert>
            )}
            <RebuildButton accountId={accountId} />
          </>
        )}
      </Loaded>
    </Card>
  )
}
