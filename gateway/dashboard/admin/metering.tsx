// The admin's first page: whether something is wrong and what waits, then what the market does over time (calls, tokens, money, latencies, beside the period
// before), who is largest, and where the nodes stand. All of it from sums that are kept by the hour, never from single calls.
import { Group, Pill, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import type { MeteringReply } from '../../../protocol/metering.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { quantity } from '../ui/quantity.ts'
import { rangeOf } from '../ui/range.ts'
import { RangePicker } from '../ui/range-picker.tsx'
import { Loaded, Loading, Page } from '../ui/state.tsx'
import { Money } from '../ui/money.tsx'
import { Figures } from '../ui/figures.tsx'
import { Glance } from './glance.tsx'
import { MeteringCharts } from './metering-charts.tsx'
import { Nodes } from './metering-nodes.tsx'
import { SaveList } from './save-list.tsx'
import type { MeteringSearch } from './search.ts'
import { Top } from './top.tsx'

const route = getRouteApi('/admin')
const FORMATS = ['csv', 'json'] as const

export function MeteringPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const show = (next: MeteringSearch) => void navigate({ search: next, resetScroll: false })
  const { model, node, ...range } = search
  const narrowed = { ...(model !== undefined && { model }), ...(node !== undefined && { node }) }
  const asked = { ...rangeOf(range, Date.now()), ...narrowed }
  const metering = useQuery({
    queryKey: ['admin', 'metering', asked],
    queryFn: () => read(api.api.admin.metering.$get({ query: asked })),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  })
  // What stands below is begun when what is read first was drawn.
  const hasRest = useDeferredValue(true, false)
  return (
    <Page
      title="Metering"
      intro="Whether something is wrong and what waits for somebody; then what the market did, beside the period before."
      actions={<RangePicker search={range} onChange={(next) => show({ ...next, ...narrowed })} />}
    >
      <Glance lagMs={metering.data?.projectionLagMs ?? null} />
      <Group justify="space-between">
        <Group gap="xs" aria-live="polite">
          {model === undefined && node === undefined && <Text c="dimmed">All models and nodes</Text>}
          {model !== undefined && (
            <Pill
              size="md"
              withRemoveButton
              removeButtonProps={{ 'aria-label': `Show every model again`, 'aria-hidden': false, tabIndex: 0 }}
              onRemove={() => show({ ...range, ...(node !== undefined && { node }) })}
            >
              Only model {model}
            </Pill>
          )}
          {node !== undefined && (
            <Pill
              size="md"
              withRemoveButton
              removeButtonProps={{ 'aria-label': 'Show every node again', 'aria-hidden': false, tabIndex: 0 }}
              onRemove={() => show({ ...range, ...(model !== undefined && { model }) })}
            >
              Only node {node}
            </Pill>
          )}
        </Group>
        <Group gap="xs">
          {FORMATS.map((format) => (
            <SaveList
              key={format}
              name={`metering.${format}`}
              label={`Save as ${format.toUpperCase()}`}
              ask={() => api.api.admin.metering.$get({ query: { ...asked, format } })}
            />
          ))}
        </Group>
      </Group>
      {/* As high as the charts: what stands below them does not jump when they come. */}
      <Loaded query={metering} rows={36}>
        {(found) => (
          <Stack>
            <Totals metering={found} />
            <MeteringCharts metering={found} onZoom={(from, to) => show({ from, to, ...narrowed })} />
          </Stack>
        )}
      </Loaded>
      {hasRest ? (
        <>
          <Title order={2} size="h4">
            Largest in this range
          </Title>
          <SimpleGrid cols={{ base: 1, lg: 2 }}>
            {(['account', 'model', 'node'] as const).map((by) => (
              <Top key={by} by={by} range={rangeOf(range, Date.now())} search={search} />
            ))}
          </SimpleGrid>
          <Nodes />
        </>
      ) : (
        <Loading />
      )}
    </Page>
  )
}

function Totals({ metering: { total, before } }: { metering: MeteringReply }) {
  const then = before.total
  const tokens = total.inputTokens + total.outputTokens
  return (
    <Figures
      figures={[
        { name: 'Calls', value: quantity(total.calls, 'calls'), note: change(total.calls, then.calls) },
        {
          name: 'Errors',
          value: quantity(total.calls === 0 ? null : total.errors / total.calls, '%'),
          note: `${quantity(total.errors, 'calls')}; before: ${quantity(then.calls === 0 ? null : then.errors / then.calls, '%')}`,
        },
        {
          name: 'Tokens',
          value: quantity(tokens, 'tokens'),
          note: change(tokens, then.inputTokens + then.outputTokens),
        },
        {
          name: 'Charged',
          value: <Money amount={total.charge} />,
          note: change(Number(total.charge), Number(then.charge)),
        },
        {
          name: 'House fee',
          value: <Money amount={total.house} />,
          note: change(Number(total.house), Number(then.house)),
        },
      ]}
    />
  )
}

/** For reading only. @example change(110, 100) // '+10 % to the period before' */
function change(now: number, before: number): string {
  if (before === 0) return now === 0 ? 'as in the period before' : 'nothing in the period before'
  const percent = Math.round(((now - before) / before) * 100)
  return `${percent > 0 ? '+' : ''}${percent} % to the period before`
}
