// Which models the nodes of the account may serve: what is blocked is asked of none of them, whatever they offer.
import { Badge, Button, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { z } from 'zod'
import type { ModelRule, ModelRuleRequest } from '../../../protocol/disputes.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Loaded } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { AskFirst } from './ask-first.tsx'
import { modelRulesQuery } from './node-queries.ts'

type Rule = z.infer<typeof ModelRule>

function useSetRule() {
  return useAction({
    run: (json: z.infer<typeof ModelRuleRequest>) => read(api.api.operator.models.$put({ json })),
    say: (_list, { model, rule }) =>
      rule === null ? `There is no rule about ${model} any more.` : `${model} is ${rule}.`,
    changes: [['operator'], ['model']],
  })
}

/** Beside a model that own nodes offer. */
export function RuleOf({ model }: { model: string }) {
  const rules = useQuery(modelRulesQuery)
  const set = useSetRule()
  const rule = rules.data?.data.find((one) => one.model === model)?.rule ?? null
  if (rules.data === undefined) return null
  return (
    <Group gap="xs">
      {rule !== null && (
        <Badge variant="dot" color={rule === 'blocked' ? 'red' : 'green'} tt="none" fw={500} miw="max-content">
          {rule === 'blocked' ? 'blocked by you' : 'accepted by you'}
        </Badge>
      )}
      {rule === null && (
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={() => set.mutate({ model, rule: 'accepted', was: rule })}
        >
          Accept
        </Button>
      )}
      {rule !== 'blocked' && (
        <AskFirst
          label="Block"
          size="xs"
          title={`Block ${model}?`}
          action="Block it"
          isBusy={set.isPending}
          run={() => set.mutate({ model, rule: 'blocked', was: rule })}
        >
          <Text>
            None of your nodes is asked for {model} from now on, whatever they offer. Calls under way are finished. You
            can lift this at any time.
          </Text>
        </AskFirst>
      )}
      {rule !== null && (
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={() => set.mutate({ model, rule: null, was: rule })}
        >
          {rule === 'blocked' ? 'Lift the block' : 'Take the acceptance back'}
        </Button>
      )}
    </Group>
  )
}

/** All rules, and one about a model that no own node offers yet. */
export function Rules() {
  const rules = useQuery(modelRulesQuery)
  const set = useSetRule()
  const [model, setModel] = useState('')
  const columns: readonly Column<Rule>[] = [
    { title: 'Model', cell: (rule) => rule.model },
    { title: 'Rule', cell: ({ rule }) => rule },
    { title: 'Since', cell: ({ at }) => <When at={at} /> },
    {
      title: 'Change',
      cell: (rule) => (
        <Button
          size="xs"
          variant="default"
          aria-label={`Lift the rule about ${rule.model}`}
          onClick={() => set.mutate({ model: rule.model, rule: null, was: rule.rule })}
        >
          Lift
        </Button>
      ),
    },
  ]
  return (
    <Card withBorder>
      <Stack>
        <Title order={2} size="h4">
          Accepted and blocked models
        </Title>
        <Text size="sm" c="dimmed">
          A blocked model is asked of none of your nodes, whatever they offer. An accepted one is one whose licence you
          have looked at: a note for yourself and for who works with you.
        </Text>
        <Loaded query={rules} rows={2}>
          {({ data }) =>
            data.length === 0 ? (
              <Text size="sm">There is no rule: your nodes serve what they offer.</Text>
            ) : (
              <Records
                caption="Accepted and blocked models"
                columns={columns}
                rows={data}
                keyOf={(rule) => rule.model}
              />
            )
          }
        </Loaded>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            const was = rules.data?.data.find((one) => one.model === model.trim())?.rule ?? null
            set.mutate({ model: model.trim(), rule: 'blocked', was }, { onSuccess: () => setModel('') })
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput
              label="Block another model"
              description="Its name, author/name"
              value={model}
              maxLength={160}
              onChange={({ currentTarget: { value } }) => setModel(value)}
            />
            <Button type="submit" variant="default" disabled={!model.includes('/')} loading={set.isPending}>
              Block
            </Button>
          </Group>
        </form>
      </Stack>
    </Card>
  )
}
