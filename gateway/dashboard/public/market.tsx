// What there is to buy, for everybody: each model with what it costs at its cheapest offer, and how to make a first call.
import { Anchor, Badge, Button, Card, Group, Select, Stack, Text, TextInput, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { ModelView } from '../../../protocol/openai.ts'
import { api, read } from '../data/api.ts'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { isOfTensors, priceWords, TASKS } from './prices.ts'
import { StartHere } from './start-here.tsx'

export interface MarketSearch {
  /** words of a model's name */
  readonly q?: string
  readonly task?: string
  /** language of the first call */
  readonly code?: string
}

const ROWS = 50

export function MarketPage() {
  const search = useSearch({ from: '/' })
  const navigate = useNavigate()
  const set = (next: MarketSearch) =>
    void navigate({ to: '/', search: { ...search, ...next }, replace: true, resetScroll: false })
  const models = useQuery({
    queryKey: ['public', 'models'],
    queryFn: async () => (await read(api.v1.models.$get())).data,
  })
  return (
    <Page
      title="Models and prices"
      intro="One endpoint, many machines. You pay per call, what the cheapest good offer costs, and only for what was delivered."
    >
      <Loaded query={models} rows={12}>
        {(all) => (
          <>
            <Card withBorder>
              <Models all={all} search={search} set={set} />
            </Card>
            <Card withBorder>
              <Title order={2} size="h4" mb="xs">
                Your first call
              </Title>
              <StartHere
                model={firstToCall(all)}
                task="chat"
                language={search.code}
                onLanguage={(code) => set({ code })}
              />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  )
}

/** One that answers now, if there is. */
function firstToCall(all: readonly ModelView[]): string | null {
  const chats = all.filter(({ task }) => task === 'chat')
  return (chats.find(({ nodes }) => nodes > 0) ?? chats[0])?.id ?? null
}

interface ModelsShown {
  readonly all: readonly ModelView[]
  readonly search: MarketSearch
  readonly set: (next: MarketSearch) => void
}

function Models({ all, search, set }: ModelsShown) {
  const [rows, setRows] = useState(ROWS)
  if (all.length === 0)
    return (
      <Empty title="There is no model yet">
        <Text>Authors publish models, and operators serve them. Both begin by signing in.</Text>
      </Empty>
    )
  const words = (search.q ?? '').toLowerCase().split(/\s+/)
  const tasks = [...new Set(all.map(({ task }) => task))]
  const found = all.filter(
    ({ id, task }) => words.every((word) => id.includes(word)) && (search.task === undefined || task === search.task),
  )
  return (
    <Stack>
      <Group gap="xs" align="flex-end">
        <TextInput
          label="Name"
          placeholder="author/name"
          defaultValue={search.q ?? ''}
          onChange={({ currentTarget: { value } }) => set({ q: value === '' ? undefined : value })}
        />
        <Select
          label="Task"
          data={tasks.map((task) => ({ value: task, label: TASKS[task] }))}
          value={search.task ?? null}
          placeholder="All"
          clearable
          clearButtonProps={{ 'aria-label': 'All tasks' }}
          onChange={(task) => set({ task: task ?? undefined })}
        />
      </Group>
      {found.length === 0 ? (
        <Empty title="No model is called that">
          <Button variant="default" onClick={() => set({ q: undefined, task: undefined })}>
            Show all models
          </Button>
        </Empty>
      ) : (
        <Records
          caption="Models and what they cost"
          rows={found.slice(0, rows)}
          keyOf={({ id }) => id}
          columns={COLUMNS}
        />
      )}
      {found.length > rows && (
        <Button variant="default" onClick={() => setRows(rows + ROWS)}>
          Show more
        </Button>
      )}
    </Stack>
  )
}

const COLUMNS = [
  { title: 'Model', cell: (model: ModelView) => <Name {...model} /> },
  { title: 'Task', cell: ({ task }: ModelView) => TASKS[task] },
  {
    title: 'From',
    cell: (model: ModelView) => priceWords(model).map((words) => <div key={words}>{words}</div>),
  },
  {
    title: 'Context',
    isNumber: true,
    cell: ({ task, context_length }: ModelView) =>
      isOfTensors(task) || context_length === null ? '–' : `${context_length.toLocaleString('en')} tokens`,
  },
  { title: 'Licence', cell: ({ licence }: ModelView) => licence },
  { title: 'Nodes', isNumber: true, cell: ({ nodes }: ModelView) => String(nodes) },
]

function Name({ id, state }: ModelView) {
  const [author = '', name = ''] = id.split('/')
  return (
    <Group gap={6}>
      <Anchor
        size="sm"
        renderRoot={(props) => <Link to="/models/$author/$name" params={{ author, name }} {...props} />}
      >
        {id}
      </Anchor>
      {state === 'deprecated' && (
        <Badge color="gray" variant="outline" tt="none">
          deprecated
        </Badge>
      )}
    </Group>
  )
}
