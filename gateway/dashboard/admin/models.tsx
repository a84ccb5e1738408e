// Every model, and the house's two ways with one: taken down for abuse, so that nobody is served it, and let in again.
import { Button, Card, Text } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usePages } from '../data/use-pages.ts'
import { Confirm } from '../ui/confirm.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { AccountName, ModelName, StateWord } from './names.tsx'
import { SaveList } from './save-list.tsx'
import { oneOf } from './search.ts'

const route = getRouteApi('/admin/models')
const STATES = ['active', 'deprecated', 'withdrawn', 'blocked'] as const

interface Asked {
  readonly id: string
  readonly isBlocked: boolean
  readonly offers: number
  /** of the last change of its state, as the list showed it */
  readonly seen: string | null
}

export function AdminModelsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const state = oneOf(STATES, search.state)
  const [asked, setAsked] = useState<Asked | null>(null)
  const query = { ...(search.q !== undefined && { q: search.q }), ...(state !== undefined && { state }) }
  const models = usePages({
    key: ['admin', 'models', search.q ?? '', state ?? ''],
    ask: (cursor) => read(api.api.admin.models.$get({ query: { ...query, ...(cursor !== undefined && { cursor }) } })),
  })
  const change = useAction({
    run: ({ id, isBlocked, seen, reason }: Asked & { reason: string }) => {
      const [author = '', name = ''] = id.split('/')
      const json = { state: isBlocked ? ('active' as const) : ('blocked' as const), reason, seen }
      return read(api.api.admin.models[':author'][':name'].state.$post({ param: { author, name }, json }))
    },
    say: (model) => (model.state === 'blocked' ? `${model.id} is taken down.` : `${model.id} may be served again.`),
    changes: [['admin']],
  })
  return (
    <Page
      title="Models"
      actions={
        <SaveList name="models.csv" ask={() => api.api.admin.models.$get({ query: { ...query, format: 'csv' } })} />
      }
    >
      <Filters
        key={search.q}
        search={query}
        states={STATES}
        label="Name begins with"
        onChange={(next) => void navigate({ search: next })}
      />
      <Card withBorder>
        <PagedRecords
          query={models}
          caption="Models"
          keyOf={({ id }) => id}
          empty={
            <Empty title="No such model">
              <Text c="dimmed">Authors publish models with the program souk-node. Look by another name or state.</Text>
            </Empty>
          }
          columns={[
            {
              title: 'Model',
              cell: ({ id, task }) => (
                <>
                  <ModelName id={id} />
                  <Text size="xs" c="dimmed">
                    {task}
                  </Text>
                </>
              ),
            },
            { title: 'State', cell: (model) => <StateWord state={model.state} /> },
            { title: 'Reason', cell: ({ reason }) => reason ?? '–' },
            { title: 'Author', cell: ({ author }) => <AccountName id={author} /> },
            { title: 'Royalty', isNumber: true, cell: ({ royaltyBps }) => `${royaltyBps / 100} %` },
            { title: 'Live offers', isNumber: true, cell: ({ offers }) => offers },
            { title: 'Since', cell: ({ createdAt }) => <When at={createdAt} /> },
            {
              title: 'Do',
              cell: ({ id, offers, ...model }) => (
                <Button
                  size="xs"
                  variant="default"
                  onClick={() =>
                    setAsked({ id, offers, isBlocked: model.state === 'blocked', seen: model.stateAt ?? null })
                  }
                >
                  {model.state === 'blocked' ? 'Lift' : 'Take down'}
                </Button>
              ),
            },
          ]}
        />
      </Card>
      <Confirm
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        title={asked?.isBlocked ? 'Let this model in again?' : 'Take this model down?'}
        action={asked?.isBlocked ? 'Lift' : 'Take down'}
        reasonLabel="Reason, for callers and operators"
        onConfirm={(reason) => {
          if (asked) change.mutate({ ...asked, reason })
          setAsked(null)
        }}
      >
        {asked?.isBlocked
          ? `${asked.id} may be offered and called again.`
          : `${asked?.id} is served to nobody any more: callers are told that it is blocked, and its ${asked?.offers} live offers get no calls. Its author and the operators see the reason.`}
      </Confirm>
    </Page>
  )
}
