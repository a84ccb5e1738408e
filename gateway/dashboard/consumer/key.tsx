// One key: what it may, what it spent, its use over time; a new secret for it, or its end.
import { Anchor, Button, Card, Code, Group, NativeSelect, Modal, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { CreatedKey, KeyView } from '../../../protocol/auth.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { tell } from '../ui/notice.ts'
import { Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { newestQuery } from './call-queries.ts'
import { Facts } from './call/facts.tsx'
import { CallsTable } from './calls-table.tsx'
import { keyQuery } from './key-queries.ts'
import { Cap, isGone, KeyState, rateWords } from './key-state.tsx'
import { NewKey } from './new-key.tsx'
import { SpendCard } from './spend-card.tsx'

export function KeyPage() {
  const { keyId } = useParams({ from: '/keys/$keyId' })
  const search = useSearch({ from: '/keys/$keyId' })
  const navigate = useNavigate({ from: '/keys/$keyId' })
  const key = useQuery({ ...keyQuery(keyId), refetchInterval: REFRESH_MS })
  return (
    <Page
      title={key.data?.name ?? 'API key'}
      actions={
        <Anchor component={Link} to="/keys">
          All keys
        </Anchor>
      }
    >
      <Loaded query={key}>
        {(data) => (
          <>
            <Settings state={data} />
            <SpendCard
              keyId={keyId}
              search={search}
              onSearch={(next) => void navigate({ search: next, replace: true, resetScroll: false })}
            />
            <LatestCalls keyId={keyId} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Settings({ state }: { state: KeyView }) {
  const [asks, setAsks] = useState<'reroll' | 'revoke' | null>(null)
  /** of the secret that is to be replaced, as it was looked at when the dialogue opened */
  const [hint, setHint] = useState(state.hint)
  const [made, setMade] = useState<CreatedKey | null>(null)
  const isOver = isGone(state, Date.now())
  return (
    <Card withBorder>
      <Stack>
        <Facts
          facts={[
            ['State', <KeyState state={state} />],
            ['Secret', <Code>{state.hint}</Code>],
            ['Cap', <Cap limit={state.limit} />],
            ['May', state.scopes.map((scope) => (scope === 'manage' ? 'manage the account' : 'make calls')).join(', ')],
            ['Models', state.models?.join(', ') ?? 'all'],
            ['Nodes', state.nodes?.join(', ') ?? 'all'],
            ['Rate limits', rateWords(state.rateLimit)],
            ['Calls under way', state.openCalls],
            ['Made', <When at={state.createdAt} />],
            ['Expires', state.expiresAt === null ? 'never' : <When at={state.expiresAt} />],
            ...(state.revokedAt === null ? [] : [['Revoked', <When at={state.revokedAt} />] as const]),
          ]}
        />
        {isOver ? (
          <Text size="sm">
            This key is gone for ever: programs that still use it are refused. Make a new one for them.
          </Text>
        ) : (
          <Group>
            <Button
              variant="default"
              onClick={() => {
                setHint(state.hint)
                setAsks('reroll')
              }}
            >
              New secret
            </Button>
            <Button variant="outline" color="red" c="var(--mantine-color-error)" onClick={() => setAsks('revoke')}>
              Revoke
            </Button>
          </Group>
        )}
      </Stack>
      <Revoke state={state} isOpen={asks === 'revoke'} onClose={() => setAsks(null)} />
      <Reroll
        state={{ ...state, hint }}
        isOpen={asks === 'reroll'}
        onClose={() => setAsks(null)}
        onMade={(key) => {
          setAsks(null)
          setMade(key)
        }}
      />
      <NewKey made={made} onClose={() => setMade(null)} />
    </Card>
  )
}

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

function Revoke({ state, isOpen, onClose }: { state: KeyView; isOpen: boolean; onClose: () => void }) {
  const { id, name, hint, openCalls } = state
  const revoke = useAction({
    run: () => read(api.api.keys[':id'].$delete({ param: { id } })),
    changes: [['keys']],
    say: ({ wasRevoked }) => (wasRevoked ? null : 'The key is revoked.'),
    then: ({ wasRevoked, revokedAt }) => {
      onClose()
      if (wasRevoked && revokedAt !== null)
        tell({
          title: 'It was revoked before',
          message: `Somebody revoked this key at ${LOCAL.format(new Date(revokedAt))}. Nothing more was done.`,
          color: 'orange',
          isKept: true,
        })
    },
  })
  return (
    <Confirm
      isOpen={isOpen}
      onClose={onClose}
      title="Revoke this key?"
      action="Revoke the key"
      isBusy={revoke.isPending}
      onConfirm={() => revoke.mutate()}
    >
      <Stack gap="xs">
        <Text>
          Every program that uses <b>{name}</b> (<Code>{hint}</Code>) is refused from its next call on, for ever.
        </Text>
        {openCalls > 0 && (
          <Text>{openCalls === 1 ? 'One call is' : `${openCalls} calls are`} under way: they end and are paid.</Text>
        )}
        <Text>What it spent stays in your records.</Text>
      </Stack>
    </Confirm>
  )
}

const GRACES = [
  { value: '0', label: 'at once' },
  { value: '3600', label: 'in one hour' },
  { value: '86400', label: 'in one day' },
  { value: '604800', label: 'in seven days' },
]

function Reroll({
  state,
  isOpen,
  onClose,
  onMade,
}: {
  state: KeyView
  isOpen: boolean
  onClose: () => void
  onMade: (made: CreatedKey) => void
}) {
  const [grace, setGrace] = useState('3600')
  const reroll = useAction({
    run: () =>
      read(
        api.api.keys[':id'].reroll.$post({
          param: { id: state.id },
          json: { graceSeconds: Number(grace), hint: state.hint },
        }),
      ),
    changes: [['keys']],
    then: onMade,
    whenChanged: onClose,
  })
  return (
    <Modal opened={isOpen} onClose={onClose} title="A new secret for this key?" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          reroll.mutate()
        }}
      >
        <Stack>
          <Text>
            <b>{state.name}</b> keeps its limits and what it spent. Programs go on with the secret they have until it
            stops; put the new one into them before.
          </Text>
          <NativeSelect
            label="The secret in use now stops"
            data={GRACES}
            value={grace}
            onChange={(event) => setGrace(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={reroll.isPending}>
              Make a new secret
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function LatestCalls({ keyId }: { keyId: string }) {
  const calls = useQuery(newestQuery({ key: keyId }, 10))
  return (
    <Card withBorder component="section" aria-labelledby="latest">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4" id="latest">
          Latest calls
        </Title>
        <Anchor renderRoot={(props) => <Link {...props} to="/calls" search={{ key: keyId }} />}>All of this key</Anchor>
      </Group>
      <Loaded query={calls} rows={3}>
        {({ data }) =>
          data.length === 0 ? <Text size="sm">This key made no calls yet.</Text> : <CallsTable rows={data} />
        }
      </Loaded>
    </Card>
  )
}
