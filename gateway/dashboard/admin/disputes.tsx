// Calls whose payers say that something was wrong, and the house's decision.
import { Button, Card, Stack, Text } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { DisputeView } from '../../../protocol/disputes.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { usePages } from '../data/use-pages.ts'
import { dialogue } from '../ui/dialogue.tsx'
import { Money, usd } from '../ui/money.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { AccountName, NodeName, StateWord } from './names.tsx'
import { oneOf } from './search.ts'

const route = getRouteApi('/admin/disputes')
const STATES = ['open', 'refunded', 'rejected', 'withdrawn'] as const

const DecideDispute = dialogue(async () => (await import('./decide-dispute.tsx')).DecideDispute)

export function DisputesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const state = oneOf(STATES, search.state)
  const [deciding, setDeciding] = useState<DisputeView | null>(null)
  const disputes = usePages({
    key: ['admin', 'disputes', state ?? ''],
    ask: (cursor) =>
      read(
        api.api.admin.disputes.$get({
          query: { ...(state !== undefined && { state }), ...(cursor !== undefined && { cursor }) },
        }),
      ),
    refreshMs: REFRESH_MS,
  })
  return (
    <Page
      title="Disputes"
      intro="A payer may dispute a call within some days after it; what you answer is shown to them."
    >
      <Filters
        search={{ ...(state !== undefined && { state }) }}
        states={STATES}
        onChange={(next) => void navigate({ search: next })}
      />
      <Card withBorder>
        <PagedRecords
          query={disputes}
          caption="Disputes"
          keyOf={({ id }) => id}
          empty={
            <Empty title={state === undefined ? 'Nobody has disputed a call' : `No dispute is ${state}`}>
              <Text c="dimmed">Nothing needs to be done.</Text>
            </Empty>
          }
          columns={[
            { title: 'When', cell: ({ createdAt }) => <When at={createdAt} /> },
            { title: 'State', cell: (dispute) => <StateWord state={dispute.state} /> },
            { title: 'Payer', cell: ({ accountId }) => <AccountName id={accountId} /> },
            { title: 'What', cell: ({ kind }) => kind.replaceAll('_', ' ') },
            { title: 'In words', cell: ({ words }) => <bdi>{words}</bdi> },
            { title: 'Call', cell: (dispute) => <CallOf dispute={dispute} /> },
            { title: 'Cost', isNumber: true, cell: ({ cost }) => <Money amount={cost} /> },
            {
              title: 'Decision',
              cell: (dispute) =>
                dispute.state === 'open' ? (
                  <Button size="xs" variant="default" onClick={() => setDeciding(dispute)}>
                    Decide
                  </Button>
                ) : (
                  <>
                    {dispute.refunded !== null && `${usd(dispute.refunded)} back. `}
                    {dispute.answer}
                  </>
                ),
            },
          ]}
        />
      </Card>
      <DecideDispute isOpen={deciding !== null} dispute={deciding} onClose={() => setDeciding(null)} />
    </Page>
  )
}

/** Which call, of which model, by which node: in one column, so that the decision stands beside it. */
function CallOf({ dispute: { callId, model, node } }: { dispute: DisputeView }) {
  return (
    <Stack gap={2}>
      <span title={callId}>{shortAddress(callId)}</span>
      <span>{model}</span>
      {node !== null && <NodeName id={node} />}
    </Stack>
  )
}
