// Every node, newest first; found by the beginning of its name or id, or by its state.
import { Card, Text } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { usePages } from '../data/use-pages.ts'
import { PagedRecords } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { AccountName, NodeName, StateWord } from './names.tsx'
import { SaveList } from './save-list.tsx'
import { NODE_STATES, oneOf } from './search.ts'

const route = getRouteApi('/admin/nodes')

export function AdminNodesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const state = oneOf(NODE_STATES, search.state)
  const asked = { ...(search.q !== undefined && { q: search.q }), ...(state !== undefined && { state }) }
  const nodes = usePages({
    key: ['admin', 'nodes', search.q ?? '', state ?? ''],
    ask: (cursor) => read(api.api.admin.nodes.$get({ query: { ...asked, ...(cursor !== undefined && { cursor }) } })),
    refreshMs: REFRESH_MS,
  })
  return (
    <Page
      title="Nodes"
      actions={
        <SaveList name="nodes.csv" ask={() => api.api.admin.nodes.$get({ query: { ...asked, format: 'csv' } })} />
      }
    >
      <Filters
        key={search.q}
        search={asked}
        states={NODE_STATES}
        label="Name or id begins with"
        onChange={(next) => void navigate({ search: next })}
      />
      <Card withBorder>
        <PagedRecords
          query={nodes}
          caption="Nodes"
          keyOf={({ id }) => id}
          empty={
            <Empty title="No such node">
              <Text c="dimmed">
                Operators register nodes with the program souk-node. Look by another name or state.
              </Text>
            </Empty>
          }
          columns={[
            { title: 'Node', cell: ({ id, name }) => <NodeName id={id} name={name} /> },
            { title: 'State', cell: (node) => <StateWord state={node.state} /> },
            { title: 'Reason', cell: ({ reason }) => reason ?? '–' },
            { title: 'Operator', cell: ({ operator }) => <AccountName id={operator} /> },
            { title: 'Continent', cell: ({ region }) => region ?? 'not known' },
            { title: 'Models', isNumber: true, cell: ({ models }) => models },
            { title: 'Last seen', cell: ({ seenAt }) => <When at={seenAt} /> },
          ]}
        />
      </Card>
    </Page>
  )
}
