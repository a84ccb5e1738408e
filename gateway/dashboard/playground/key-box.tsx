// With which API key the playground calls: one made for it, small and short-lived, or one that is pasted. A signed-in wallet alone calls no model.
import { Button, Card, Group, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { useAccount } from '../session/session.ts'
import { forgetKey, keepKey, type KeptKey } from './key-store.ts'

/** dollars, and how long: enough to try things, too little to be worth stealing */
const CAP_USD = '1'
const LIFE_HOURS = 24
const LIFE_MS = LIFE_HOURS * 3_600_000

export function KeyBox({ kept }: { kept: KeptKey | null }) {
  return (
    <Card withBorder component="section" aria-label="API key">
      {kept === null ? <Choose /> : <Chosen kept={kept} />}
    </Card>
  )
}

function Chosen({ kept }: { kept: KeptKey }) {
  return (
    <Group justify="space-between">
      <Text size="sm">
        Calls are paid with the key ending in <strong>{kept.key.slice(-4)}</strong>
        {kept.accountId === null
          ? ', which you pasted'
          : `, made for this page: at most $${CAP_USD}, ${LIFE_HOURS} hours`}
        . It is kept in this tab only.
      </Text>
      <Button variant="default" size="xs" onClick={forgetKey}>
        Forget this key
      </Button>
    </Group>
  )
}

function Choose() {
  const account = useAccount()
  const [pasted, setPasted] = useState('')
  const make = useAction({
    run: () =>
      read(
        api.api.keys.$post({
          json: {
            name: 'Playground',
            limit: { usd: CAP_USD, period: 'total' },
            expiresAt: new Date(Date.now() + LIFE_MS).toISOString(),
          },
        }),
      ),
    changes: [['keys']],
    then: ({ key }) => keepKey({ key, accountId: account?.accountId ?? null }),
  })
  const isKey = pasted.trim().startsWith('sk-souk-')
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Choose an API key
      </Title>
      <Text size="sm">
        Models are called with an API key, here as everywhere. It is kept in this tab only and forgotten when you close
        the tab or sign out.
      </Text>
      {account !== null && account !== undefined && (
        <Group>
          <Button loading={make.isPending} onClick={() => make.mutate(undefined)}>
            Make a key for the playground
          </Button>
          <Text size="sm" c="dimmed">
            It can spend at most ${CAP_USD} and expires after {LIFE_HOURS} hours.
          </Text>
        </Group>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isKey) keepKey({ key: pasted.trim(), accountId: null })
        }}
      >
        <Group align="flex-end">
          <PasswordInput
            label="Or paste one of yours"
            placeholder="sk-souk-…"
            autoComplete="off"
            value={pasted}
            onChange={(event) => setPasted(event.currentTarget.value)}
            error={pasted !== '' && !isKey ? 'An API key begins with sk-souk-.' : null}
            style={{ flex: '1 1 16rem' }}
          />
          <Button type="submit" variant="default" disabled={!isKey}>
            Use this key
          </Button>
        </Group>
      </form>
    </Stack>
  )
}
