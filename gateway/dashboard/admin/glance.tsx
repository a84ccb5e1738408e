// The house at a glance: in one sentence whether something is wrong, then how many nodes run and what waits for somebody. Each number leads to its page.
import { Alert, List, Stack, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { NodeCounts } from '../../../protocol/metering.ts'
import { api, read } from '../data/api.ts'
import { Figures, type Figure } from '../ui/figures.tsx'
import { TextLink } from '../ui/links.tsx'
import { quantity } from '../ui/quantity.ts'

/** ms between two looks: nothing here changes by the second */
const LOOK_MS = 30_000
/** rows asked of a list that is only counted: more are "so many and more" */
const COUNTED = 100
const OPEN = { query: { state: 'open' as const, limit: String(COUNTED) } }
/** ms that the book may be behind: lines are gathered for a moment, and a busy guard takes some */
const LATE_MS = 60_000

interface Page {
  readonly data: readonly unknown[]
  readonly nextCursor: string | null
}
const countOf = ({ data, nextCursor }: Page): string => `${data.length}${nextCursor === null ? '' : ' and more'}`
const lagOf = (ms: number): string => (ms < 1_000 ? quantity(ms, 'ms') : quantity(Math.round(ms / 1_000), 's'))

/** @param lagMs how far the book is behind; null: not known yet */
export function Glance({ lagMs }: { lagMs: number | null }) {
  const nodes = useQuery({
    queryKey: ['admin', 'node-count'],
    queryFn: () => read(api.api.admin.nodes.count.$get()),
    refetchInterval: LOOK_MS,
  })
  const waiting = useQuery({
    queryKey: ['admin', 'waiting'],
    queryFn: async () => {
      const [ledger, disputes, reports, requested] = await Promise.all([
        read(api.api.admin.ledger.$get()),
        read(api.api.admin.disputes.$get(OPEN)),
        read(api.api.admin.reports.$get(OPEN)),
        read(api.api.admin.withdrawals.$get({ query: { state: 'requested', limit: String(COUNTED) } })),
      ])
      const [disputed, reported, withdrawals] = [disputes, reports, requested].map(countOf)
      return { alerts: ledger.alertsOpen, disputed, reported, withdrawals }
    },
    refetchInterval: LOOK_MS,
  })
  const isUnknown = nodes.isError || waiting.isError
  return (
    <Stack component="section" aria-label="At a glance" gap="sm">
      {isUnknown ? (
        <Alert color="red" title="Not all of this could be loaded" role="status">
          It is asked again every half a minute.
        </Alert>
      ) : (
        <Verdict
          wrong={wrongs(nodes.data, waiting.data?.alerts, lagMs)}
          isKnown={nodes.data !== undefined && waiting.data !== undefined && lagMs !== null}
        />
      )}
      <Title order={2} size="h5">
        Nodes
      </Title>
      <Figures figures={nodeFigures(nodes.data)} />
      <Title order={2} size="h5">
        Waiting for somebody
      </Title>
      <Figures
        figures={[
          {
            name: 'The book is behind by',
            value: (
              <TextLink inherit to="/admin/ledger">
                {lagMs === null ? '–' : lagOf(lagMs)}
              </TextLink>
            ),
          },
          {
            name: 'Open alerts',
            value: (
              <TextLink inherit to="/admin/ledger">
                {waiting.data?.alerts ?? '–'}
              </TextLink>
            ),
          },
          {
            name: 'Open disputes',
            value: (
              <TextLink inherit to="/admin/disputes" search={{ state: 'open' }}>
                {waiting.data?.disputed ?? '–'}
              </TextLink>
            ),
          },
          {
            name: 'Open reports',
            value: (
              <TextLink inherit to="/admin/reports" search={{ state: 'open' }}>
                {waiting.data?.reported ?? '–'}
              </TextLink>
            ),
          },
          {
            name: 'Withdrawals to pay',
            value: (
              <TextLink inherit to="/admin/money" search={{ state: 'requested' }}>
                {waiting.data?.withdrawals ?? '–'}
              </TextLink>
            ),
          },
        ]}
      />
    </Stack>
  )
}

const NODES = [
  ['live', 'active', 'Live', 'active, and answer'],
  ['probation', 'probation', 'In probation', 'new, and answer'],
  ['draining', 'draining', 'Draining', 'finish what they have'],
  ['suspended', 'suspended', 'Suspended', 'stopped by an audit or the house'],
  ['silent', 'silent', 'Silent', 'should serve, do not answer'],
] as const

const nodeFigures = (counts: NodeCounts | undefined): Figure[] =>
  NODES.map(([which, state, name, note]) => ({
    name,
    value: (
      <TextLink inherit to="/admin/nodes" search={{ state }}>
        {counts === undefined ? '–' : counted(counts, which)}
      </TextLink>
    ),
    note: which === 'probation' && counts?.pending ? `${note}; ${counts.pending} more are pending` : note,
  }))

const counted = (counts: NodeCounts, which: (typeof NODES)[number][0]): string =>
  `${counts[which]}${counts[which] >= counts.countedMax ? ' and more' : ''}`

/** What somebody should look at now, in sentences that lead there. */
function wrongs(nodes: NodeCounts | undefined, alerts: number | undefined, lagMs: number | null): ReactNode[] {
  return [
    alerts !== undefined && alerts > 0 && (
      <TextLink to="/admin/ledger">
        {alerts === 1 ? 'One alert of the ledger is open' : `${alerts} alerts of the ledger are open`}
      </TextLink>
    ),
    lagMs !== null && lagMs > LATE_MS && <TextLink to="/admin/ledger">The book is {lagOf(lagMs)} behind</TextLink>,
    nodes !== undefined && nodes.silent > 0 && (
      <TextLink to="/admin/nodes" search={{ state: 'silent' }}>
        {nodes.silent === 1 ? 'One node is silent' : `${counted(nodes, 'silent')} nodes are silent`}
      </TextLink>
    ),
    nodes !== undefined && nodes.live + nodes.probation === 0 && (
      <TextLink to="/admin/nodes">No node takes calls</TextLink>
    ),
  ].filter((wrong) => wrong !== false)
}

function Verdict({ wrong, isKnown }: { wrong: readonly ReactNode[]; isKnown: boolean }) {
  if (wrong.length > 0)
    return (
      <Alert color="red" title="Something is wrong" role="status">
        <List size="sm">
          {wrong.map((sentence, i) => (
            <List.Item key={i}>{sentence}</List.Item>
          ))}
        </List>
      </Alert>
    )
  return (
    <Alert color={isKnown ? 'teal' : 'gray'} title={isKnown ? 'Nothing is wrong' : 'Looking'} role="status">
      {isKnown
        ? 'Nodes answer, the ledger adds up, and the book is up to date.'
        : 'Nodes, ledger and book are being asked.'}
    </Alert>
  )
}
