// What people said of models and nodes, and what the house did. Taking a model down or suspending a node is done on their own pages.
import { Button, Card, Text } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { ReportView } from '../../../protocol/disputes.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { usePages } from '../data/use-pages.ts'
import { Confirm } from '../ui/confirm.tsx'
import { TextLink } from '../ui/links.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { ChangedMeanwhile, unlessChanged } from './meanwhile.tsx'
import { AccountName, NodeName, StateWord } from './names.tsx'
import { oneOf } from './search.ts'

const route = getRouteApi('/admin/reports')
const STATES = ['open', 'acted', 'dismissed'] as const

interface Deciding {
  readonly report: ReportView
  readonly decision: 'acted' | 'dismissed'
}

export function ReportsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const client = useQueryClient()
  const state = oneOf(STATES, search.state)
  const [deciding, setDeciding] = useState<Deciding | null>(null)
  const reports = usePages({
    key: ['admin', 'reports', state ?? ''],
    ask: (cursor) =>
      read(
        api.api.admin.reports.$get({
          query: { ...(state !== undefined && { state }), ...(cursor !== undefined && { cursor }) },
        }),
      ),
    refreshMs: REFRESH_MS,
  })
  const decide = useAction({
    run: ({ report, decision, answer }: Deciding & { answer: string }) =>
      unlessChanged(
        read(
          api.api.admin.reports[':id'].decide.$post({
            param: { id: report.id },
            json: { decision, answer, version: report.version },
          }),
        ),
      ),
    say: (done) => (done === 'changed' ? null : `Written down: ${done.state}.`),
    changes: [['admin']],
  })
  return (
    <Page title="Reports" intro="Look at what is reported, act where it is needed, and say here what was done.">
      <Filters
        search={{ ...(state !== undefined && { state }) }}
        states={STATES}
        onChange={(next) => void navigate({ search: next })}
      />
      {decide.data === 'changed' && (
        <ChangedMeanwhile
          what="Somebody decided meanwhile"
          onReload={() => {
            decide.reset()
            void client.invalidateQueries({ queryKey: ['admin', 'reports'] })
          }}
        />
      )}
      <Card withBorder>
        <PagedRecords
          query={reports}
          caption="Reports"
          keyOf={({ id }) => id}
          empty={
            <Empty title={state === undefined ? 'Nobody has reported anything' : `No report is ${state}`}>
              <Text c="dimmed">Nothing needs to be done.</Text>
            </Empty>
          }
          columns={[
            { title: 'When', cell: ({ createdAt }) => <When at={createdAt} /> },
            { title: 'State', cell: (report) => <StateWord state={report.state} /> },
            { title: 'About', cell: (report) => <Subject report={report} /> },
            { title: 'What', cell: ({ kind }) => kind },
            { title: 'In words', cell: ({ words }) => <bdi>{words}</bdi> },
            { title: 'By', cell: ({ reporter }) => <AccountName id={reporter} /> },
            {
              title: 'Decision',
              cell: (report) =>
                report.state === 'open' ? (
                  <Button.Group>
                    <Button size="xs" variant="default" onClick={() => setDeciding({ report, decision: 'acted' })}>
                      Acted
                    </Button>
                    <Button size="xs" variant="default" onClick={() => setDeciding({ report, decision: 'dismissed' })}>
                      Dismiss
                    </Button>
                  </Button.Group>
                ) : (
                  report.answer
                ),
            },
          ]}
        />
      </Card>
      <Confirm
        isOpen={deciding !== null}
        onClose={() => setDeciding(null)}
        title={deciding?.decision === 'acted' ? 'Was something done about it?' : 'Dismiss this report?'}
        action={deciding?.decision === 'acted' ? 'Write it down' : 'Dismiss'}
        reasonLabel="Answer"
        reasonMax={1000}
        onConfirm={(answer) => {
          if (deciding) decide.mutate({ ...deciding, answer })
          setDeciding(null)
        }}
      >
        The report about {deciding?.report.about} {deciding?.report.subject} is closed and cannot be decided again. The{' '}
        {deciding?.report.about} itself stays as it is.
      </Confirm>
    </Page>
  )
}

/** A model leads to where it can be taken down, a node to where it can be suspended. */
function Subject({ report: { about, subject } }: { report: ReportView }) {
  if (about === 'node') return <NodeName id={subject} />
  return (
    <TextLink inherit to="/admin/models" search={{ q: subject }}>
      {subject}
    </TextLink>
  )
}
