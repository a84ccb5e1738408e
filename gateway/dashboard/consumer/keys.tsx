// The API keys of the account: what each may do, what it has spent of its cap, and a new one.
import { Button, Card, Code, Stack, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { CreatedKey, KeyView } from '../../../protocol/auth.ts'
import { dialogue } from '../ui/dialogue.tsx'
import { PagedRecords, type Column } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { keysQuery } from './key-queries.ts'
import { Cap, KeyState, rateWords } from './key-state.tsx'
import { KeyLink } from './links.tsx'
import { NewKey } from './new-key.tsx'

const CreateKey = dialogue(async () => (await import('./create-key.tsx')).CreateKey)

const COLUMNS: readonly Column<KeyView>[] = [
  {
    title: 'Name',
    cell: ({ id, name, hint }) => (
      <Stack gap={2} align="flex-start">
        <KeyLink keyId={id} name={name} />
        <Code>{hint}</Code>
      </Stack>
    ),
  },
  { title: 'State', cell: (key) => <KeyState state={key} /> },
  { title: 'May', cell: ({ scopes }) => scopes.map((scope) => SCOPES[scope]).join(', ') },
  { title: 'Cap', cell: ({ limit }) => <Cap limit={limit} /> },
  { title: 'Rate limits', cell: ({ rateLimit }) => rateWords(rateLimit) },
]
const SCOPES = { inference: 'make calls', manage: 'manage the account' } as const

export function KeysPage() {
  const keys = useInfiniteQuery(keysQuery)
  const [isMaking, setIsMaking] = useState(false)
  const [made, setMade] = useState<CreatedKey | null>(null)
  const make = <Button onClick={() => setIsMaking(true)}>New key</Button>
  return (
    <Page
      title="API keys"
      intro="A key lets a program make calls with your balance. Each can be capped, narrowed, and revoked at once."
      actions={make}
    >
      <Card withBorder>
        <PagedRecords
          query={keys}
          caption="Your API keys"
          columns={COLUMNS}
          keyOf={({ id }) => id}
          empty={
            <Empty title="No keys yet">
              <Text>Make one, put it into your program, and point the program at this gateway.</Text>
              {make}
            </Empty>
          }
        />
      </Card>
      <CreateKey
        isOpen={isMaking}
        onClose={() => setIsMaking(false)}
        onMade={(key) => {
          setIsMaking(false)
          setMade(key)
        }}
      />
      <NewKey made={made} onClose={() => setMade(null)} />
    </Page>
  )
}
