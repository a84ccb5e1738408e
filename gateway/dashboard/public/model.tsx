// One model, for everybody: what it is, whose, under which licence and digest, who serves it at which prices and how well.
import { Alert, Card, SegmentedControl, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { api, ApiError, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { Empty, Failed, Loaded, Loading, Page } from '../ui/state.tsx'
import { ModelFacts } from './model-facts.tsx'
import { Offers, PriceRanges, WINDOWS, type WindowName } from './offers.tsx'
import { ReportButton } from './report.tsx'
import { StartHere } from './start-here.tsx'

export interface ModelSearch {
  readonly window?: WindowName
  readonly code?: string
}

export function ModelPage() {
  const param = useParams({ from: '/models/$author/$name' })
  const search = useSearch({ from: '/models/$author/$name' })
  const navigate = useNavigate()
  const id = `${param.author}/${param.name}`
  const set = (next: ModelSearch) =>
    void navigate({
      to: '/models/$author/$name',
      params: param,
      search: { ...search, ...next },
      replace: true,
      resetScroll: false,
    })
  const model = useQuery({
    queryKey: ['public', 'model', id],
    queryFn: () => read(api.api.models[':author'][':name'].$get({ param })),
  })
  const endpoints = useQuery({
    queryKey: ['public', 'endpoints', id],
    queryFn: async () => (await read(api.v1.models[':author'][':name'].endpoints.$get({ param }))).data.endpoints,
    refetchInterval: REFRESH_MS,
  })
  const prices = useQuery({
    queryKey: ['public', 'prices', id],
    queryFn: () => read(api.api.models[':author'][':name'].prices.$get({ param })),
  })
  if (model.data === undefined)
    return (
      <Page title={id}>
        {model.isError ? <NoModel error={model.error} again={() => void model.refetch()} /> : <Loading />}
      </Page>
    )
  const { manifest, state, reason, replacedBy } = model.data
  const window = search.window ?? 'd1'
  return (
    <Page title={id} intro={manifest.description} actions={<ReportButton about="model" id={id} name={id} />}>
      {state !== 'active' && (
        <Alert color="yellow" variant="outline" title={STATES[state]}>
          <Stack gap={4}>
            {reason !== null && (
              <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
                {reason}
              </Text>
            )}
            {replacedBy !== null && <Text size="sm">Use {replacedBy} instead.</Text>}
          </Stack>
        </Alert>
      )}
      <ModelFacts model={model.data} />
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          Prices
        </Title>
        <Loaded query={prices} rows={3}>
          {(range) => <PriceRanges range={range} task={manifest.task} />}
        </Loaded>
      </Card>
      <Card withBorder>
        <Stack>
          <Title order={2} size="h4">
            Who serves it
          </Title>
          <SegmentedControl
            size="xs"
            aria-label="Measured over"
            style={{ alignSelf: 'flex-start' }}
            data={WINDOWS}
            value={window}
            onChange={(value) => set({ window: value })}
          />
          <Loaded query={endpoints} rows={3}>
            {(offers) => <Offers offers={offers} task={manifest.task} window={window} />}
          </Loaded>
        </Stack>
      </Card>
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          Call it
        </Title>
        <StartHere model={id} task={manifest.task} language={search.code} onLanguage={(code) => set({ code })} />
      </Card>
    </Page>
  )
}

const STATES = {
  active: 'Offered',
  deprecated: 'To be left: it is still served, and its author asks callers to change',
  withdrawn: 'Withdrawn by its author: it is served to nobody',
  blocked: 'Blocked: nobody may be served with it',
} as const

function NoModel({ error, again }: { error: unknown; again: () => void }) {
  if (!(error instanceof ApiError) || error.status !== 404) return <Failed error={error} again={again} />
  return (
    <Empty title="There is no such model">
      <Text>Its name may be misspelt. The market lists all there are.</Text>
    </Empty>
  )
}
