// A new webhook: an address, and what it is told of.
import { Button, Card, Checkbox, Group, Stack, TextInput, Title } from '@mantine/core'
import { useState } from 'react'
import type { EventKind, WebhookWithSecret } from '../../../protocol/webhook.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { EVENT_KINDS, EVENT_NAMES } from './event-names.ts'

export function CreateWebhook({ onCreated }: { onCreated: (webhook: WebhookWithSecret) => void }) {
  const [url, setUrl] = useState('')
  const [isAll, setAll] = useState(true)
  const [kinds, setKinds] = useState<readonly EventKind[]>([])
  const create = useAction({
    run: () => read(api.api.webhooks.$post({ json: { url: url.trim(), ...(!isAll && { kinds: [...kinds] }) } })),
    changes: [['webhooks']],
    then: (webhook) => {
      setUrl('')
      onCreated(webhook)
    },
  })
  const isReady = url.trim() !== '' && (isAll || kinds.length > 0)
  return (
    <Card withBorder component="section" aria-label="New webhook">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady) create.mutate(undefined)
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            New webhook
          </Title>
          <TextInput
            label="Address"
            description="Messages are sent there by POST. It must be an https address that the internet can reach."
            placeholder="https://example.com/souk"
            type="url"
            maxLength={2048}
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
          />
          <Checkbox
            label="Tell of everything, also of what is added later"
            checked={isAll}
            onChange={(event) => setAll(event.currentTarget.checked)}
          />
          {!isAll && (
            <Checkbox.Group
              label="Tell of"
              value={[...kinds]}
              onChange={(chosen) => setKinds(EVENT_KINDS.filter((kind) => chosen.includes(kind)))}
            >
              <Stack gap="xs" mt="xs">
                {EVENT_KINDS.map((kind) => (
                  <Checkbox key={kind} value={kind} label={EVENT_NAMES[kind]} />
                ))}
              </Stack>
            </Checkbox.Group>
          )}
          <Group>
            <Button type="submit" loading={create.isPending} disabled={!isReady}>
              Make the webhook
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  )
}
