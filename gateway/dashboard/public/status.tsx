// How the market is doing, for everybody: calls that ended well by day, how soon answers begin, where nodes are. No account, call or node is named.
import { Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import type { StatusReply } from '../../../protocol/metering.ts'
import { api, read } from '../data/api.ts'
import { TextLink } from '../ui/links.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { CONTINENTS } from './continents.ts'
import classes from './public.module.css'

// The projection and the coasts are for this page alone.
const NodeMap = lazy(async () => ({ default: (await import('./node-map.tsx')).NodeMap }))

/** The gateway says the same for a minute. */
const REFRESH_MS = 60_000
/** of calls that ended well: from here on a day is good, or fair */
const GOOD = 0.99
const FAIR = 0.95

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' })

export function StatusPage() {
  const status = useQuery({
    queryKey: ['public', 'status'],
    queryFn: () => read(api.api.status.$get()),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page title="Status" intro="How the market does, counted from the calls themselves. Every minute anew.">
      <Loaded query={status} rows={8}>
        {(now) => (
          <>
            <Now status={now} />
            <Days days={now.days} />
            <Nodes nodes={now.nodes} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Now({ status: { models, nodes, firstTokenMs } }: { status: StatusReply }) {
  const active = nodes.reduce((sum, row) => sum + row.active, 0)
  const ms = (value: number | undefined) => (value === undefined ? '–' : quantity(Math.round(value), 'ms'))
  return (
    <Card withBorder>
      <dl className={classes.facts}>
        <dt>Models</dt>
        <dd>{quantity(models, models === 1 ? 'model' : 'models')}</dd>
        <dt>Nodes that serve now</dt>
        <dd>{quantity(active, active === 1 ? 'node' : 'nodes')}</dd>
        <dt>First answer, half of calls within</dt>
        <dd>{ms(firstTokenMs?.p50)}</dd>
        <dt>90 % of calls within</dt>
        <dd>{ms(firstTokenMs?.p90)}</dd>
        <dt>99 % of calls within</dt>
        <dd>{ms(firstTokenMs?.p99)}</dd>
      </dl>
    </Card>
  )
}

type Day = StatusReply['days'][number]

const kindOf = ({ share }: Day) => (share === null ? 'none' : share >= GOOD ? 'good' : share >= FAIR ? 'fair' : 'poor')
const shareOf = ({ share }: Day): string => (share === null ? 'no calls' : quantity(share, '%'))

function Days({ days }: { days: readonly Day[] }) {
  const latestFirst = [...days].reverse()
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Title order={2} size="h4">
          Calls that ended well, by day
        </Title>
        {days.every(({ calls }) => calls === 0) ? (
          <Empty title="No call yet">
            <Text size="sm">The first ones appear here within the hour.</Text>
          </Empty>
        ) : (
          <>
            <div className={classes.days} role="img" aria-label={`${days.length} days; the table below says the same`}>
              {days.map((day) => (
                <div
                  key={day.at}
                  className={`${classes.day} ${classes[kindOf(day)]}`}
                  title={`${DAY.format(new Date(day.at))}: ${shareOf(day)}`}
                />
              ))}
            </div>
            <Group gap="md" justify="space-between">
              <Text size="xs" c="dimmed">
                {days[0] ? DAY.format(new Date(days[0].at)) : ''}
              </Text>
              <Text size="xs" c="dimmed">
                plain: {GOOD * 100} % and more; wide stripes: {FAIR * 100} % and more; narrow stripes: less; grey: no
                calls
              </Text>
              <Text size="xs" c="dimmed">
                today (UTC)
              </Text>
            </Group>
            <details>
              <summary>As a table</summary>
              <Records
                caption="Calls that ended well, by day"
                rows={latestFirst}
                keyOf={({ at }) => at}
                columns={[
                  { title: 'Day (UTC)', cell: ({ at }) => DAY.format(new Date(at)) },
                  { title: 'Calls', isNumber: true, cell: ({ calls }) => calls.toLocaleString('en') },
                  { title: 'Ended well', isNumber: true, cell: shareOf },
                ]}
              />
            </details>
          </>
        )}
      </Stack>
    </Card>
  )
}

function Nodes({ nodes }: { nodes: StatusReply['nodes'] }) {
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Title order={2} size="h4">
          Where nodes are
        </Title>
        {nodes.length === 0 ? (
          <Empty title="No node is registered">
            <Text size="sm">Whoever owns a machine can register it, and is paid for what it serves.</Text>
            <TextLink to="/nodes">How to register a node</TextLink>
          </Empty>
        ) : (
          <>
            {nodes.some(({ region }) => region !== null) && (
              <Suspense fallback={<Skeleton className={classes.map} />}>
                <NodeMap nodes={nodes} />
              </Suspense>
            )}
            <Records
              caption="Nodes by continent"
              rows={nodes}
              keyOf={({ region }) => region ?? 'unknown'}
              columns={[
                { title: 'Continent', cell: ({ region }) => (region === null ? 'not known' : CONTINENTS[region].name) },
                { title: 'Serve now', isNumber: true, cell: ({ active }) => active.toLocaleString('en') },
                { title: 'Registered', isNumber: true, cell: ({ total }) => total.toLocaleString('en') },
              ]}
            />
          </>
        )}
      </Stack>
    </Card>
  )
}
