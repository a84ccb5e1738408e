// The journal: every movement of the account's money, as a list, as a file to keep, and checked in the browser.
import { Alert, Button, Card, FileButton, Group, Progress, Stack, Text, Title } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { JOURNAL_MEDIA_TYPE } from '../../../protocol/journal-export.ts'
import type { Verified } from '../../../protocol/journal-verify.ts'
import { JournalPage } from '../../../protocol/ledger.ts'
import { api } from '../data/api.ts'
import { messageOf } from '../data/message-of.ts'
import { useAction } from '../data/use-action.ts'
import { useAccount } from '../session/session.ts'
import { bytesOf, save } from '../ui/download.ts'
import { Money } from '../ui/money.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { Empty } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { movementOf } from './movement.ts'
import { canCheckSignatures, publishedKeys } from './published-keys.ts'
import { Verdict } from './verdict.tsx'

export function JournalTab() {
  return (
    <Stack>
      <CheckCard />
      <Movements />
    </Stack>
  )
}

type Checking =
  | { readonly phase: 'idle' }
  | { readonly phase: 'running'; readonly done: number }
  | { readonly phase: 'done'; readonly verified: Verified }
  | { readonly phase: 'failed'; readonly why: string }

const wholeJournal = () => bytesOf(api.api.journal.$get({ query: { format: 'ndjson' } }))

function CheckCard() {
  const accountId = useAccount()?.accountId ?? ''
  const [checking, setChecking] = useState<Checking>({ phase: 'idle' })
  const running = useRef<AbortController | null>(null)
  /** forgets which file was chosen: the same one can be chosen again, and may be another by then */
  const unchoose = useRef<() => void>(null)
  useEffect(() => () => running.current?.abort(), [])
  const download = useAction({
    run: wholeJournal,
    then: (file) => save(file, `journal-${accountId}.ndjson`),
  })

  const check = async (fileOf: () => Promise<Blob>) => {
    running.current?.abort()
    const mine = new AbortController()
    running.current = mine
    setChecking({ phase: 'running', done: 0 })
    try {
      if (!(await canCheckSignatures()))
        return setChecking({
          phase: 'failed',
          why: 'This browser cannot check Ed25519 signatures. A newer one can, and so does the program souk-verify.',
        })
      const [file, keys] = await Promise.all([fileOf(), publishedKeys()])
      // What checks is large, and most look at the movements alone.
      const { checkJournal } = await import('./journal-check.ts')
      const tell = (done: number) => setChecking({ phase: 'running', done })
      const verified = await checkJournal(file, keys, tell, mine.signal)
      if (!mine.signal.aborted) setChecking({ phase: 'done', verified })
    } catch (error) {
      if (!mine.signal.aborted) setChecking({ phase: 'failed', why: messageOf(error) })
    }
  }
  const isRunning = checking.phase === 'running'

  return (
    <Card withBorder component="section" aria-label="Check of the journal">
      <Stack>
        <Title order={2} size="h4">
          Your journal, checked by you
        </Title>
        <Text size="sm">
          Each movement of your money is a line with the hash of the line before, so nobody can change the past unseen.
          Your browser checks every line, every sum and every signature; nothing is sent anywhere.
        </Text>
        <Group>
          <Button loading={isRunning} onClick={() => void check(wholeJournal)}>
            Check my journal
          </Button>
          <FileButton
            accept={`.ndjson,${JOURNAL_MEDIA_TYPE}`}
            resetRef={unchoose}
            onChange={(file) => {
              if (file === null) return
              void check(() => Promise.resolve(file))
              unchoose.current?.()
            }}
            inputProps={{ 'aria-label': 'A journal file to check' }}
          >
            {(props) => (
              <Button variant="default" disabled={isRunning} {...props}>
                Check a file I kept
              </Button>
            )}
          </FileButton>
          <Button variant="default" loading={download.isPending} onClick={() => download.mutate(undefined)}>
            Download the journal
          </Button>
        </Group>
        {checking.phase === 'running' && (
          <Stack gap={4}>
            <Progress value={checking.done * 100} aria-label="How much of the journal is checked" />
            <Text size="sm" c="dimmed">
              {Math.floor(checking.done * 100)} % checked
            </Text>
          </Stack>
        )}
        {checking.phase === 'failed' && (
          <Alert color="red" role="alert" title="The journal could not be checked">
            {checking.why}
          </Alert>
        )}
        {checking.phase === 'done' && <Verdict verified={checking.verified} ownAccountId={accountId} />}
      </Stack>
    </Card>
  )
}

function Movements() {
  const lines = useInfiniteQuery({
    queryKey: ['journal'],
    queryFn: async ({ pageParam }) => {
      const query = pageParam === null ? {} : { cursor: pageParam }
      const page = await bytesOf(api.api.journal.$get({ query }))
      const { data, nextCursor } = JournalPage.parse(JSON.parse(await page.text()))
      return { data: data.map(movementOf), nextCursor }
    },
    initialPageParam: null as string | null, // the type of the pages' cursors
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })
  return (
    <Card withBorder component="section" aria-label="Movements">
      <Title order={2} size="h4" mb="sm">
        Movements
      </Title>
      <PagedRecords
        caption="Lines of the journal, newest first"
        query={lines}
        keyOf={({ seq }) => String(seq)}
        empty={
          <Empty title="Nothing has moved yet">
            <Text>Top up under Balance, and the first line stands here.</Text>
          </Empty>
        }
        columns={[
          { title: 'Line', isNumber: true, cell: ({ seq }) => seq },
          { title: 'When', cell: ({ at }) => <When at={at} /> },
          { title: 'What', cell: ({ what }) => what },
          { title: 'US dollars', isNumber: true, cell: ({ amount }) => <Money amount={amount} /> },
          { title: 'Hash', cell: ({ hash }) => <code title={hash}>{hash.slice(0, 12)}…</code> },
        ]}
      />
    </Card>
  )
}
