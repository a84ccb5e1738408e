// Calls as rows: what the list and the overview show of each.
import { Code, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { UsageCall } from '../../../protocol/ledger.ts'
import { Money } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records, type Column } from '../ui/records.tsx'
import { utcOf } from '../ui/when.tsx'
import { count, duration } from './call/route-words.ts'
import { keyNamesQuery } from './key-queries.ts'
import { CallLink, KeyLink } from './links.tsx'
import { Outcome } from './outcome.tsx'

const BEGAN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

export function CallsTable({ rows }: { rows: readonly UsageCall[] }) {
  const names = useQuery(keyNamesQuery).data
  const columns: readonly Column<UsageCall>[] = [
    {
      title: 'Call',
      cell: ({ id, startedAt }) => (
        <CallLink callId={id}>
          <time dateTime={startedAt} title={utcOf(startedAt)}>
            {BEGAN.format(new Date(startedAt))}
          </time>
        </CallLink>
      ),
    },
    { title: 'Ended', cell: (call) => <Outcome outcome={call.outcome} errorCode={call.errorCode} /> },
    { title: 'Model', cell: ({ model }) => model },
    {
      title: 'API key',
      cell: ({ keyId }) => <KeyLink keyId={keyId} name={names?.find(({ id }) => id === keyId)?.name} />,
    },
    { title: 'Node', cell: ({ provider }) => (provider === null ? '–' : <Code>{provider}</Code>) },
    { title: 'Units', isNumber: true, cell: unitsOf },
    {
      title: 'First output',
      isNumber: true,
      cell: ({ startedAt, firstTokenAt }) =>
        firstTokenAt === null ? '–' : duration(Date.parse(firstTokenAt) - Date.parse(startedAt)),
    },
    { title: 'Cost', isNumber: true, cell: ({ cost }) => <Money amount={cost} /> },
  ]
  return <Records caption="Calls, newest first" columns={columns} rows={rows} keyOf={({ id }) => id} />
}

function unitsOf({ inputTokens, outputTokens, tensorBytes }: UsageCall) {
  if (tensorBytes > 0) return quantity(tensorBytes, 'bytes')
  return (
    <Text span inherit style={{ whiteSpace: 'nowrap' }}>
      {count(inputTokens, 'token')} in,
      <br />
      {outputTokens} out
    </Text>
  )
}
