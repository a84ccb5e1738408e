// Monthly statements: the list, one of them with its sums and its signature checked here, and its files.
import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { SignedStatement, type Statement } from '../../../protocol/statement.ts'
import { api, read } from '../data/api.ts'
import { bytesOf } from '../ui/download.ts'
import { Money } from '../ui/money.tsx'
import { PagedRecords, Records } from '../ui/records.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { monthName } from './months.ts'
import { publishedKeys } from './published-keys.ts'

export function StatementsTab() {
  const { statement } = useSearch({ from: '/billing' })
  return statement === undefined ? <List /> : <One number={statement} />
}

function List() {
  const statements = useInfiniteQuery({
    queryKey: ['statements'],
    queryFn: ({ pageParam }) =>
      read(api.api.statements.$get({ query: pageParam === null ? {} : { cursor: pageParam } })),
    initialPageParam: null as string | null, // the type of the pages' cursors
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })
  return (
    <PagedRecords
      caption="Monthly statements, newest first"
      query={statements}
      keyOf={({ number }) => String(number)}
      empty={
        <Empty title="No statement yet">
          <Text>
            One is written when a month (UTC) with movements is over. Until then, the journal says everything.
          </Text>
        </Empty>
      }
      columns={[
        {
          title: 'Month',
          cell: ({ number, month }) => (
            <Anchor
              inherit
              renderRoot={(props) => (
                <Link {...props} to="/billing" search={{ part: 'statements', statement: number }} />
              )}
            >
              {monthName(month)}
            </Anchor>
          ),
        },
        { title: 'Number', isNumber: true, cell: ({ number }) => number },
        { title: 'Lines', isNumber: true, cell: ({ lines }) => lines },
        { title: 'Began with', isNumber: true, cell: ({ opening }) => <Money amount={opening} /> },
        { title: 'Ended with', isNumber: true, cell: ({ closing }) => <Money amount={closing} /> },
        { title: 'Written', cell: ({ at }) => <When at={at} /> },
      ]}
    />
  )
}

function One({ number }: { number: number }) {
  const navigate = useNavigate({ from: '/billing' })
  const signed = useQuery({
    queryKey: ['statements', number],
    queryFn: () => readSigned(number),
    staleTime: Infinity,
  })
  const back = () => void navigate({ search: { part: 'statements' } })
  return (
    <Stack align="stretch">
      <Group>
        <Button variant="default" size="xs" onClick={back}>
          All statements
        </Button>
        <Anchor size="sm" href={`/api/statements/${number}?format=csv`} download={`statement-${number}.csv`}>
          Download as CSV
        </Anchor>
        <Anchor size="sm" href={`/api/statements/${number}`} download={`statement-${number}.json`}>
          Download as JSON, with its signature
        </Anchor>
      </Group>
      <Loaded query={signed}>
        {({ statement, isSigned }) => (
          <>
            {isSigned ? (
              <Alert
                variant="default"
                styles={{ root: { borderColor: 'var(--mantine-color-teal-6)' } }}
                title="The gateway’s signature fits this statement"
              >
                Checked in your browser with the keys that the gateway publishes.
              </Alert>
            ) : (
              <Alert color="red" role="alert" title="The signature does not fit">
                This statement is not the one that the gateway signed. Keep it, and tell the house.
              </Alert>
            )}
            <Sums statement={statement} />
          </>
        )}
      </Loaded>
    </Stack>
  )
}

function Sums({ statement }: { statement: Statement }) {
  const { opening, closing, calls, paidIn, refunded, operator, author, clawedBack, withdrawn, models, totals } =
    statement
  const rows: readonly (readonly [string, string])[] = [
    ['Balance at the beginning', opening.balance],
    ['Paid in', paidIn],
    ['Charged for calls', calls.charge],
    ['Refunded', refunded],
    ['Earned by your nodes', operator.earned],
    ['Earned by audits of your nodes', operator.audits],
    ['Earned by your models', author.earned],
    ['Taken back of earnings', clawedBack],
    ['Paid out', withdrawn],
    ['Balance at the end', closing.balance],
  ]
  return (
    <Stack>
      <Title order={2} size="h4">
        {monthName(statement.month)}, statement {statement.number}
      </Title>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Card withBorder>
          <Records
            caption="Sums of the month"
            rows={rows}
            keyOf={([name]) => name}
            columns={[
              { title: 'Sum', cell: ([name]) => name },
              { title: 'US dollars', isNumber: true, cell: ([, amount]) => <Money amount={amount} /> },
            ]}
          />
        </Card>
        <Card withBorder>
          <Records
            caption="Lines of the month by kind"
            rows={totals}
            keyOf={({ kind }) => kind}
            columns={[
              { title: 'Kind of line', cell: ({ kind }) => kind.replaceAll('_', ' ') },
              { title: 'Lines', isNumber: true, cell: ({ count }) => count },
              { title: 'US dollars', isNumber: true, cell: ({ amount }) => <Money amount={amount} /> },
            ]}
          />
        </Card>
      </SimpleGrid>
      {models.length > 0 && (
        <Card withBorder>
          <Records
            caption="Calls of the month by model"
            rows={models}
            keyOf={({ model }) => model}
            columns={[
              { title: 'Model', cell: ({ model }) => model },
              { title: 'Calls', isNumber: true, cell: ({ calls: count }) => count.toLocaleString('en') },
              { title: 'Tokens in', isNumber: true, cell: ({ inputTokens }) => inputTokens.toLocaleString('en') },
              { title: 'Tokens out', isNumber: true, cell: ({ outputTokens }) => outputTokens.toLocaleString('en') },
              { title: 'Charged', isNumber: true, cell: ({ charge }) => <Money amount={charge} /> },
            ]}
          />
        </Card>
      )}
    </Stack>
  )
}

async function readSigned(number: number) {
  const param = { number: String(number) }
  const [file, keys, { isSignedBy }] = await Promise.all([
    bytesOf(api.api.statements[':number'].$get({ param, query: {} })),
    publishedKeys(),
    import('./signed-statement.ts'),
  ])
  const signed = SignedStatement.parse(JSON.parse(await file.text()))
  return { statement: signed.statement, isSigned: await isSignedBy(signed, keys) }
}
