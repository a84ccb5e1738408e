// Playground: a model tried out with a real call, what it costs, and the same call as code.
import { Anchor, Group, SegmentedControl, Select, SimpleGrid, Stack, Text } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import type { ModelView } from '../../../protocol/openai.ts'
import { api, read } from '../data/api.ts'
import { useAccount } from '../session/session.ts'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import type { Surface } from './surface.ts'
import { Bench } from './bench.tsx'
import { KeyBox } from './key-box.tsx'
import { useKeptKey } from './key-store.ts'

const modelsQuery = queryOptions({ queryKey: ['models'], queryFn: () => read(api.v1.models.$get()) })

export function PlaygroundPage() {
  const account = useAccount()
  const kept = useKeptKey(account?.accountId ?? null)
  const models = useQuery(modelsQuery)
  return (
    <Page
      title="Playground"
      intro="Calls here are real calls: they go to a node and are paid from the balance. Each stands in your calls afterwards."
    >
      {account === null && kept === null && (
        <Text>
          <Anchor component={Link} to="/sign-in">
            Sign in
          </Anchor>{' '}
          to make a key for the playground, or paste one that you have.
        </Text>
      )}
      <KeyBox kept={kept} />
      <Loaded query={models}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No model is offered now">
              <Text>Models appear here as soon as a node serves them.</Text>
            </Empty>
          ) : (
            <Chosen models={data} apiKey={kept?.key ?? null} />
          )
        }
      </Loaded>
    </Page>
  )
}

function Chosen({ models, apiKey }: { models: readonly ModelView[]; apiKey: string | null }) {
  const search = useSearch({ from: '/playground' })
  const navigate = useNavigate({ from: '/playground' })
  const model = models.find(({ id }) => id === search.model) ?? models.find(({ task }) => task === 'chat') ?? models[0]
  const surfaces = SURFACES_OF[model?.task ?? 'tensors']
  const surface = surfaces.find((each) => each === search.as) ?? surfaces[0]
  const go = (next: { model?: string; as?: Surface }) => void navigate({ search: next, replace: true })
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label="Model"
          searchable
          allowDeselect={false}
          data={models.map(({ id }) => id)}
          value={model?.id ?? null}
          onChange={(id) => id !== null && go({ model: id })}
        />
        {surfaces.length > 1 && (
          <Stack gap={4}>
            <Text size="sm" fw={600} id="surface-label">
              Kind of call
            </Text>
            <SegmentedControl
              aria-labelledby="surface-label"
              data={surfaces.map((each) => ({ value: each, label: SURFACE_NAMES[each] }))}
              value={surface}
              onChange={(each) => go({ ...search, as: each })}
            />
          </Stack>
        )}
      </SimpleGrid>
      {model && <Offered model={model} />}
      {model && surface && <Bench key={`${model.id} ${surface}`} model={model} surface={surface} apiKey={apiKey} />}
    </Stack>
  )
}

const SURFACES_OF: Readonly<Record<ModelView['task'], readonly [Surface, ...Surface[]]>> = {
  chat: ['chat', 'completion'],
  embeddings: ['embeddings'],
  classification: ['tensors'],
  ocr: ['tensors'],
  tensors: ['tensors'],
}
const SURFACE_NAMES: Readonly<Record<Surface, string>> = {
  chat: 'Chat',
  completion: 'Text completion',
  embeddings: 'Embeddings',
  tensors: 'Tensors',
}

function Offered({ model }: { model: ModelView }) {
  return (
    <Group gap="md">
      <Text size="sm" c="dimmed">
        {model.nodes === 0
          ? 'No node offers it now: a call would be refused.'
          : `${model.nodes} ${model.nodes === 1 ? 'node offers' : 'nodes offer'} it.`}
        {model.context_length === null ? '' : ` Context: ${model.context_length.toLocaleString('en')} tokens.`}
        {model.state === 'deprecated' ? ' Its author advises against using it any longer.' : ''}
      </Text>
      <Anchor size="sm" component={Link} to="/">
        Models and prices
      </Anchor>
    </Group>
  )
}
