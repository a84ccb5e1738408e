// The form for a new key: a name is enough; what it may do and spend can be narrowed.
import {
  Accordion,
  Button,
  Checkbox,
  Group,
  Modal,
  NativeSelect,
  SimpleGrid,
  Stack,
  TagsInput,
  TextInput,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { BudgetPeriod, type CreatedKey } from '../../../protocol/auth.ts'
import { api, ApiError, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { modelsQuery } from './call-queries.ts'
import { EMPTY_KEY, faultsAt, fieldOf, readDraft, type KeyDraft, type KeyFaults } from './key-draft.ts'

type Request = Extract<ReturnType<typeof readDraft>, { ok: true }>['request']

const PERIODS = [
  { value: 'day', label: 'each day' },
  { value: 'week', label: 'each week' },
  { value: 'month', label: 'each month' },
  { value: 'total', label: 'in all' },
]

interface CreateKeyProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onMade: (made: CreatedKey) => void
}

export function CreateKey({ isOpen, onClose, onMade }: CreateKeyProps) {
  return (
    <Modal opened={isOpen} onClose={onClose} title="New API key" size="lg">
      <Form onClose={onClose} onMade={onMade} />
    </Modal>
  )
}

function Form({ onClose, onMade }: Omit<CreateKeyProps, 'isOpen'>) {
  const [draft, setDraft] = useState<KeyDraft>(EMPTY_KEY)
  const [faults, setFaults] = useState<KeyFaults>({})
  const create = useAction({
    run: async (request: Request) => {
      try {
        return await read(api.api.keys.$post({ json: request }))
      } catch (error) {
        if (error instanceof ApiError && error.param !== null) setFaults(faultsAt([fieldOf(error.param.split('.'))]))
        throw error
      }
    },
    changes: [['keys']],
    then: onMade,
  })
  const set = (changed: Partial<KeyDraft>) => setDraft((before) => ({ ...before, ...changed }))
  const submit = () => {
    const result = readDraft(draft, Date.now())
    setFaults(result.ok ? {} : result.faults)
    if (result.ok) create.mutate(result.request)
  }
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <Stack>
        <TextInput
          label="Name"
          description="For you: where it is used."
          required
          data-autofocus
          value={draft.name}
          error={faults.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <Checkbox.Group
          label="What it may do"
          value={[...draft.scopes]}
          error={faults.scopes}
          onChange={(scopes) => set({ scopes })}
        >
          <Stack gap="xs" mt="xs">
            <Checkbox value="inference" label="Make calls, which cost money" />
            <Checkbox
              value="manage"
              label="Manage this account: keys, limits, records. Never for a program of others"
            />
          </Stack>
        </Checkbox.Group>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput
            label="Cap in dollars"
            description="Empty: the balance alone."
            inputMode="decimal"
            value={draft.usd}
            error={faults.usd}
            onChange={(event) => set({ usd: event.currentTarget.value })}
          />
          <NativeSelect
            label="Cap counts"
            description="Periods begin in UTC."
            data={PERIODS}
            value={draft.period}
            onChange={(event) => set({ period: BudgetPeriod.catch('total').parse(event.currentTarget.value) })}
          />
        </SimpleGrid>
        <TextInput
          type="datetime-local"
          label="Expires"
          description="Empty: never. In your own time zone."
          value={draft.expires}
          error={faults.expires}
          onChange={(event) => set({ expires: event.currentTarget.value })}
        />
        <Narrower draft={draft} faults={faults} set={set} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Make the key
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

const RATES = [
  { field: 'rpm', label: 'Calls a minute' },
  { field: 'tpm', label: 'Tokens a minute' },
  { field: 'concurrency', label: 'Calls at the same time' },
] as const

function Narrower({
  draft,
  faults,
  set,
}: {
  draft: KeyDraft
  faults: KeyFaults
  set: (changed: Partial<KeyDraft>) => void
}) {
  const models = useQuery(modelsQuery).data ?? []
  const [opened, setOpened] = useState<string | null>(null)
  const hasFault = [faults.models, faults.nodes, faults.rpm, faults.tpm, faults.concurrency].some(Boolean)
  return (
    <Accordion variant="contained" value={hasFault ? 'more' : opened} onChange={setOpened}>
      <Accordion.Item value="more">
        <Accordion.Control>Only certain models or nodes, rate limits</Accordion.Control>
        <Accordion.Panel>
          <Stack>
            <TagsInput
              label="Models"
              description="Empty: all."
              data={models.map(({ id }) => id)}
              value={[...draft.models]}
              error={faults.models}
              onChange={(chosen) => set({ models: chosen })}
            />
            <TagsInput
              label="Nodes"
              description="Ids. Empty: all."
              value={[...draft.nodes]}
              error={faults.nodes}
              onChange={(chosen) => set({ nodes: chosen })}
            />
            <SimpleGrid cols={{ base: 1, xs: 3 }}>
              {RATES.map(({ field, label }) => (
                <TextInput
                  key={field}
                  label={label}
                  inputMode="numeric"
                  value={draft[field]}
                  error={faults[field]}
                  onChange={(event) => set({ [field]: event.currentTarget.value })}
                />
              ))}
            </SimpleGrid>
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  )
}
