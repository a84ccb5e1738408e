// The account's webhooks: each with its state, what is done with it, and its deliveries. A secret is shown when it is made, and never again.
import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { WebhookView, WebhookWithSecret } from '../../../protocol/webhook.ts'
import { api, done, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { dialogue } from '../ui/dialogue.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { CreateWebhook } from './create-webhook.tsx'
import { DELIVERIES, Deliveries, outcomeOf } from './deliveries.tsx'
import { eventName } from './event-names.ts'

const SecretOnce = dialogue(async () => (await import('./secret-once.tsx')).SecretOnce)

const WEBHOOKS = ['webhooks']

export function Webhooks() {
  const webhooks = useQuery({ queryKey: WEBHOOKS, queryFn: () => read(api.api.webhooks.$get()) })
  const [fresh, setFresh] = useState<WebhookWithSecret | null>(null)
  return (
    <Stack>
      <CreateWebhook onCreated={setFresh} />
      <Title order={2} size="h4">
        Your webhooks
      </Title>
      <Loaded query={webhooks} rows={3}>
        {({ data }) =>
          data.length === 0 ? (
            <Card withBorder>
              <Empty title="No webhook yet">
                <Text>
                  Give the address of a program of yours above. A test message shows at once whether it is reached.
                </Text>
              </Empty>
            </Card>
          ) : (
            <>
              {data.map((webhook) => (
                <One key={webhook.id} webhook={webhook} onSecret={setFresh} />
              ))}
            </>
          )
        }
      </Loaded>
      <SecretOnce isOpen={fresh !== null} webhook={fresh} onClose={() => setFresh(null)} />
    </Stack>
  )
}

function One({ webhook, onSecret }: { webhook: WebhookView; onSecret: (webhook: WebhookWithSecret) => void }) {
  const { id, url } = webhook
  const search = useSearch({ from: '/alerts' })
  const navigate = useNavigate({ from: '/alerts' })
  const isOpen = search.webhook === id
  const [asked, setAsked] = useState<'rotate' | 'delete' | null>(null)
  /** as it was looked at when the dialogue opened */
  const [seen, setSeen] = useState(webhook.oldSecretUntil)
  const param = { id }
  const changes = [WEBHOOKS, [...DELIVERIES, id]]
  const test = useAction({
    run: () => read(api.api.webhooks[':id'].test.$post({ param })),
    say: (delivery) => `The test message: ${outcomeOf(delivery)}.`,
    changes,
    then: () => void navigate({ search: { webhook: id } }),
  })
  const enable = useAction({
    run: () => read(api.api.webhooks[':id'].enable.$post({ param })),
    say: () => 'The webhook is in use again.',
    changes,
  })
  const rotate = useAction({
    run: () => read(api.api.webhooks[':id'].rotate.$post({ param, json: { oldSecretUntil: seen } })),
    changes,
    then: (rotated) => {
      setAsked(null)
      onSecret(rotated)
    },
    whenChanged: () => setAsked(null),
  })
  const remove = useAction({
    run: () => done(api.api.webhooks[':id'].$delete({ param })),
    say: () => 'The webhook is deleted. Nothing is sent there any more.',
    changes: [WEBHOOKS],
    then: () => setAsked(null),
  })
  return (
    <Card withBorder component="section" aria-label={`Webhook ${url}`}>
      <Stack>
        <Group justify="space-between" align="flex-start">
          <Text fw={600} style={{ overflowWrap: 'anywhere', flex: '1 1 14rem' }}>
            {url}
          </Text>
          <State webhook={webhook} />
        </Group>
        <Text size="sm" c="dimmed">
          {webhook.kinds === null ? 'Told of everything.' : `Told of: ${webhook.kinds.map(eventName).join('; ')}.`} Made{' '}
          <When at={webhook.createdAt} />.
        </Text>
        {webhook.oldSecretUntil !== null && (
          <Text size="sm">
            Messages are signed with the old secret as well until <When at={webhook.oldSecretUntil} />.
          </Text>
        )}
        <Group gap="xs">
          <Button size="xs" loading={test.isPending} onClick={() => test.mutate(undefined)}>
            Send a test
          </Button>
          {webhook.disabledAt !== null && (
            <Button size="xs" variant="default" loading={enable.isPending} onClick={() => enable.mutate(undefined)}>
              Enable
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            aria-expanded={isOpen}
            onClick={() => void navigate({ search: isOpen ? {} : { webhook: id } })}
          >
            {isOpen ? 'Hide deliveries' : 'Deliveries'}
          </Button>
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              setSeen(webhook.oldSecretUntil)
              setAsked('rotate')
            }}
          >
            New secret
          </Button>
          <Button size="xs" variant="default" onClick={() => setAsked('delete')}>
            Delete
          </Button>
        </Group>
        {isOpen && <Deliveries webhookId={id} isDisabled={webhook.disabledAt !== null} />}
      </Stack>
      <Confirm
        isOpen={asked === 'rotate'}
        onClose={() => setAsked(null)}
        title="Make a new secret?"
        action="Make a new secret"
        isBusy={rotate.isPending}
        onConfirm={() => rotate.mutate(undefined)}
      >
        Messages to {url} are then signed with both secrets for a day, so that your program can change over. After that
        only the new one counts.
      </Confirm>
      <Confirm
        isOpen={asked === 'delete'}
        onClose={() => setAsked(null)}
        title="Delete this webhook?"
        action="Delete"
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate(undefined)}
      >
        Nothing is sent to {url} any more, and the list of its deliveries is gone.
      </Confirm>
    </Card>
  )
}

function State({ webhook: { disabledAt, failingSince, reason } }: { webhook: WebhookView }) {
  if (disabledAt !== null)
    return (
      <Text size="sm" component="div">
        <Badge variant="outline" color="red" tt="none">
          disabled
        </Badge>{' '}
        since <When at={disabledAt} />
        {reason === null ? '' : `: ${reason}`}
      </Text>
    )
  if (failingSince !== null)
    return (
      <Text size="sm" component="div">
        <Badge variant="outline" color="orange" tt="none">
          failing
        </Badge>{' '}
        since <When at={failingSince} />
      </Text>
    )
  return (
    <Badge variant="outline" color="teal" tt="none">
      in use
    </Badge>
  )
}
