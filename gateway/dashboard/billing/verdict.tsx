// What came of the check of a journal: the verdict first, then what was checked, in numbers.
import { Alert, Stack, Text } from '@mantine/core'
import type { Verified } from '../../../protocol/journal-verify.ts'
import { nanos, toUsd } from '../../../protocol/units.ts'
import { Money, usd } from '../ui/money.tsx'
import { Records } from '../ui/records.tsx'
import { When } from '../ui/when.tsx'

/** @param ownAccountId whose journal it should be */
export function Verdict({ verified, ownAccountId }: { verified: Verified; ownAccountId: string }) {
  const { broken, header, summary, proofs, head } = verified
  const isOther = header !== null && header.accountId !== ownAccountId
  if (broken !== null)
    return (
      <Alert color="red" role="alert" title="This journal is broken">
        <Text fw={600}>
          {broken.seq === null ? 'The file itself' : `Line ${broken.seq}`}: {broken.why}.
        </Text>
        <Text size="sm">
          {summary === null || summary.lines === 0
            ? 'No line before it was right.'
            : `The ${summary.lines} ${summary.lines === 1 ? 'line' : 'lines'} before it are in order.`}{' '}
          Keep this file, and tell the house.
        </Text>
      </Alert>
    )
  const kinds = Object.entries(summary?.kinds ?? {})
  return (
    <Stack>
      <Alert
        variant="default"
        styles={{ root: { borderColor: 'var(--mantine-color-teal-6)' } }}
        role="status"
        title="This journal is in order"
      >
        <Text>
          {summary?.lines ?? 0} {summary?.lines === 1 ? 'line' : 'lines'} follow one another without a gap, each with
          the hash of the one before; their sums are right; and the last one is signed by the gateway.
        </Text>
        {isOther && <Text fw={600}>It is the journal of another account: {header.accountId}.</Text>}
        {header !== null && header.after > 0 && (
          <Text>It begins after line {header.after}, so what was before it was not checked.</Text>
        )}
      </Alert>
      {head !== null && (
        <Text size="sm">
          Balance at its end: <strong>{usd(head.balance)}</strong>, open calls included, signed <When at={head.at} />.
          Keep the file: with it you can prove later what your account had.
        </Text>
      )}
      <Text size="sm">
        {proofs.calls} {proofs.calls === 1 ? 'call' : 'calls'}: {proofs.tickets} tickets of the gateway and{' '}
        {proofs.receipts} receipts of nodes were checked by their signatures and against the charges;{' '}
        {proofs.ticketsNotKept + proofs.receiptsNotKept} are not kept any more.
      </Text>
      {kinds.length > 0 && (
        <Records
          caption="What was checked, by kind of line"
          rows={kinds}
          keyOf={([kind]) => kind}
          columns={[
            { title: 'Kind of line', cell: ([kind]) => kind.replaceAll('_', ' ') },
            { title: 'Lines', isNumber: true, cell: ([, { count }]) => count.toLocaleString('en') },
            {
              title: 'US dollars',
              isNumber: true,
              cell: ([, { deltaNanos }]) => <Money amount={toUsd(nanos(deltaNanos))} />,
            },
          ]}
        />
      )}
    </Stack>
  )
}
