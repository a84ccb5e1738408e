// Spend over a range of time: as a chart beside the period before, and split by model, key or node.
import { Card, Group, SegmentedControl, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { SpendReply } from '../../../protocol/metering.ts'
import { fromUsd } from '../../../protocol/units.ts'
import { Money } from '../ui/money.tsx'
import { RangePicker } from '../ui/range-picker.tsx'
import { presetOf, rangeOf } from '../ui/range.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Failed, Loading } from '../ui/state.tsx'
import { TimeChart } from '../ui/time-chart.tsx'
import { count } from './call/route-words.ts'
import { keyNamesQuery } from './key-queries.ts'
import { KeyLink } from './links.tsx'
import { spendQuery } from './spend-queries.ts'
import type { SpendSearch, Split } from './spend-search.ts'

type Point = SpendReply['points'][number]
type SpendGroup = SpendReply['groups'][number]

const SERIES = [
  { key: 'charge', label: 'Spend', unit: '$', of: ({ charge }: Point) => charge },
  { key: 'calls', label: 'Calls', unit: 'calls', of: ({ calls }: Point) => calls },
] as const
const SPLIT_CHOICES = [
  { value: 'model', label: 'By model' },
  { value: 'key', label: 'By API key' },
  { value: 'node', label: 'By node' },
]

/** About as tall as the chart and the list that come in their place: what stands below must not jump. */
const ROWS_ALIKE = 16

interface SpendCardProps {
  readonly search: SpendSearch
  readonly onSearch: (next: SpendSearch) => void
  /** of this key alone */
  readonly keyId?: string
}

export function SpendCard({ search, onSearch, keyId }: SpendCardProps) {
  const range = rangeOf(search, Date.now())
  const length = Date.parse(range.to) - Date.parse(range.from)
  const earlier = {
    ...range,
    from: new Date(Date.parse(range.from) - length).toISOString(),
    to: range.from,
  }
  const by = search.by ?? 'model'
  const now = useQuery(spendQuery(range, by, keyId))
  const before = useQuery(spendQuery(earlier, by, keyId))
  const set = (changed: SpendSearch) => onSearch(changed.by === undefined && search.by ? { ...changed, by } : changed)
  return (
    <Stack>
      <Group justify="space-between">
        <RangePicker search={search} onChange={set} />
      </Group>
      {now.data === undefined ? (
        now.isError ? (
          <Failed error={now.error} again={() => void now.refetch()} />
        ) : (
          <Loading rows={ROWS_ALIKE} />
        )
      ) : (
        <>
          <TimeChart
            title="Spend over time"
            from={now.data.from}
            to={now.data.to}
            step={now.data.step}
            points={now.data.points}
            before={before.data?.points ?? []}
            series={SERIES}
            onZoom={(from, to) => set({ from, to })}
            aside={
              <Text size="sm">
                <Money amount={now.data.total.charge} /> for {count(now.data.total.calls, 'call')}
                {presetOf(search) === 'custom' ? ' in this range' : ''}
              </Text>
            }
          />
          <Splits
            reply={now.data}
            by={by}
            hasSplits={keyId === undefined}
            onBy={(next) => onSearch({ ...search, by: next })}
          />
        </>
      )}
    </Stack>
  )
}

const SPLIT_WORDS: Readonly<Record<Split, string>> = { model: 'Model', key: 'API key', node: 'Node' }

function Splits({
  reply,
  by,
  hasSplits,
  onBy,
}: {
  reply: SpendReply
  by: Split
  hasSplits: boolean
  onBy: (next: Split) => void
}) {
  const names = useQuery(keyNamesQuery).data
  const nameOf = ({ id }: SpendGroup): ReactNode => {
    if (by === 'key') return <KeyLink keyId={id} name={names?.find((key) => key.id === id)?.name} />
    return id === '' ? 'none was tried' : id
  }
  const columns: readonly Column<SpendGroup>[] = [
    { title: SPLIT_WORDS[by], cell: nameOf },
    { title: 'Spend', isNumber: true, cell: ({ charge }) => <Money amount={charge} /> },
    { title: 'Share', isNumber: true, cell: ({ charge }) => shareOf(charge, reply.total.charge) },
    { title: 'Calls', isNumber: true, cell: ({ calls }) => count(calls, 'call') },
    { title: 'Failed', isNumber: true, cell: ({ errors }) => count(errors, 'call') },
    {
      title: 'Tokens',
      isNumber: true,
      cell: ({ inputTokens, outputTokens }) => count(inputTokens + outputTokens, 'token'),
    },
  ]
  return (
    <Card withBorder component="section" aria-labelledby="split">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4" id="split">
          Where it went
        </Title>
        {hasSplits && (
          <SegmentedControl
            aria-label="Split by"
            size="xs"
            data={SPLIT_CHOICES}
            value={by}
            onChange={(value) => {
              if (value === 'model' || value === 'key' || value === 'node') onBy(value)
            }}
          />
        )}
      </Group>
      {reply.groups.length === 0 ? (
        <Text size="sm">No calls in this range.</Text>
      ) : (
        <Records caption={`Spend by ${SPLIT_WORDS[by]}`} columns={columns} rows={reply.groups} keyOf={({ id }) => id} />
      )}
    </Card>
  )
}

function shareOf(part: string, whole: string): string {
  const all = fromUsd(whole)
  return all === 0n ? '–' : `${Number((fromUsd(part) * 1_000n) / all) / 10} %`
}
