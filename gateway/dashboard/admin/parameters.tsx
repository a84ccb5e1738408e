// What the house may set while it runs: what holds, within which bounds, what waits for its time, and how it came to be.
import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { ParameterView } from '../../../protocol/parameters.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { dialogue } from '../ui/dialogue.tsx'
import { Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { ParameterHistory } from './parameter-history.tsx'
import { lockWords, WORDS, withUnit } from './parameter-words.ts'

const ChangeParameter = dialogue(async () => (await import('./change-parameter.tsx')).ChangeParameter)

export function ParametersPage() {
  const parameters = useQuery({
    queryKey: ['admin', 'parameters'],
    queryFn: () => read(api.api.admin.parameters.$get()),
  })
  return (
    <Page
      title="Parameters"
      intro="What takes from others waits before it holds, and can be taken back until then. Who changed what, and why, stands in the log."
    >
      <Loaded query={parameters}>
        {({ data }) => (
          <Stack>
            {data.map((parameter) => (
              <Parameter key={parameter.name} parameter={parameter} />
            ))}
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}

function Parameter({ parameter }: { parameter: ParameterView }) {
  const { name, unit, min, max, value, isDefault, pending, lockMs } = parameter
  const [isChanging, setIsChanging] = useState(false)
  const words = WORDS[name]
  return (
    <Card withBorder component="section" aria-label={words.title}>
      <Group justify="space-between" align="flex-start">
        <Stack gap={4} flex={1} miw={200}>
          <Title order={2} size="h4">
            {words.title}
          </Title>
          <Text size="sm" c="dimmed">
            {words.meaning}
          </Text>
          <Group gap="xs">
            <Text fw={600} size="lg">
              {withUnit(value, unit)}
            </Text>
            {isDefault && (
              <Badge variant="default" tt="none" fw={500}>
                as configured
              </Badge>
            )}
          </Group>
          <Text size="sm" c="dimmed">
            From {withUnit(min, unit)} to {withUnit(max, unit)}; a change {lockWords(lockMs)}.
          </Text>
        </Stack>
        {pending === null && (
          <Button variant="default" onClick={() => setIsChanging(true)}>
            Change
          </Button>
        )}
      </Group>
      {pending !== null && <Pending parameter={parameter} pending={pending} />}
      <ParameterHistory name={name} unit={unit} />
      <ChangeParameter isOpen={isChanging} parameter={parameter} onClose={() => setIsChanging(false)} />
    </Card>
  )
}

function Pending({
  parameter: { name, unit, value },
  pending,
}: {
  parameter: ParameterView
  pending: NonNullable<ParameterView['pending']>
}) {
  const [isAsking, setIsAsking] = useState(false)
  const takeBack = useAction({
    run: () => read(api.api.admin.parameters[':name'].pending.$delete({ param: { name }, query: { id: pending.id } })),
    say: () => 'The change was taken back.',
    changes: [['admin', 'parameters']],
  })
  return (
    <Card withBorder mt="sm" padding="sm">
      <Group justify="space-between">
        <Stack gap={2}>
          <Text component="div">
            Will be <b>{withUnit(pending.value, unit)}</b> from <When at={pending.effectiveAt} /> on
          </Text>
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {pending.reason} (by {pending.by})
          </Text>
        </Stack>
        <Button variant="default" size="xs" loading={takeBack.isPending} onClick={() => setIsAsking(true)}>
          Take back
        </Button>
      </Group>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Take this change back?"
        action="Take back"
        onConfirm={() => {
          setIsAsking(false)
          takeBack.mutate(undefined)
        }}
      >
        {WORDS[name].title} stays at {withUnit(value, unit)} and does not become {withUnit(pending.value, unit)}.
      </Confirm>
    </Card>
  )
}
