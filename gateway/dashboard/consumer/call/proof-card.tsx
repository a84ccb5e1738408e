// The receipt, checked in this browser, with a verdict that is seen at once, what exactly was looked at, and what nobody could look at here.
import { Alert, Button, Card, Code, CopyButton, Group, List, Stack, Text, Textarea, Title } from '@mantine/core'
import { IconAlertTriangle, IconCircleCheck, IconHelpCircle } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Generation } from '../../../../protocol/generation.ts'
import { useAction } from '../../data/use-action.ts'
import { Failed, Loading } from '../../ui/state.tsx'
import { CORE, verdictOf, type Check } from './check.ts'
import { jwksQuery, linesQuery } from './queries.ts'
import type { Examined } from './receipt-verdict.ts'
import type { Pasted } from './texts-verdict.ts'

/** of RFC 8032, test 1: any valid key shows whether the browser knows Ed25519 */
const SOME_KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'

export function ProofCard({ call }: { call: Generation }) {
  const jwks = useQuery(jwksQuery)
  const lines = useQuery(linesQuery(call.id))
  const examined = useQuery({
    queryKey: ['calls', 'proof', call, lines.data, jwks.data],
    enabled: jwks.data !== undefined && lines.data !== undefined,
    queryFn: async () => {
      // What checks is large, and the page is read before the verdict is there.
      const [{ importPublicKey }, { examine }] = await Promise.all([
        import('../../../../protocol/keys.ts'),
        import('./receipt-verdict.ts'),
      ])
      const isAble = await importPublicKey(SOME_KEY).then(
        () => true,
        () => false,
      )
      if (!isAble || !jwks.data || !lines.data) return null
      return examine({ call, lines: lines.data, jwks: jwks.data })
    },
    staleTime: Number.POSITIVE_INFINITY,
  })
  const failed = [jwks, lines, examined].find(({ isError }) => isError)
  return (
    <Card withBorder component="section" aria-labelledby="proof">
      <Stack>
        <Title order={2} size="h4" id="proof">
          The proof
        </Title>
        {failed ? (
          <Failed error={failed.error} again={() => void failed.refetch()} />
        ) : examined.data === undefined ? (
          <Loading rows={5} />
        ) : examined.data === null ? (
          <Alert color="orange" title="Not checked">
            This browser cannot check Ed25519 signatures here. A newer one can, on a page that was loaded over HTTPS.
          </Alert>
        ) : (
          <Proof call={call} examined={examined.data} />
        )}
      </Stack>
    </Card>
  )
}

function Proof({ call, examined }: { call: Generation; examined: Examined }) {
  const [checked, setChecked] = useState<readonly Check[]>([])
  const { ticket, receipt } = examined
  const checks = [...examined.checks, ...checked]
  const proved = ticket && receipt ? { ticket, receipt } : null
  const check = useAction({
    run: async (pasted: Pasted) => {
      if (proved === null) return []
      // It reads every form of request and answer there is: fetched by who pastes one.
      const { checkTexts } = await import('./texts-verdict.ts')
      return checkTexts(pasted, call, proved)
    },
    then: setChecked,
  })
  return (
    <>
      <VerdictAlert checks={checks} />
      <Checks checks={checks} />
      {proved !== null && <TextsForm onCheck={check.mutate} />}
      <NotChecked hasTexts={checked.length > 0} />
      <Originals call={call} />
    </>
  )
}

const LOOKS = {
  right: { color: 'teal', Icon: IconCircleCheck, word: 'Holds' },
  wrong: { color: 'red', Icon: IconAlertTriangle, word: 'Fails' },
  open: { color: 'orange', Icon: IconHelpCircle, word: 'Not checked' },
} as const

function VerdictAlert({ checks }: { checks: readonly Check[] }) {
  const { state, title } = verdictOf(checks, CORE)
  const { color, Icon } = LOOKS[state]
  return (
    <Alert color={color} icon={<Icon aria-hidden />} title={title} role={state === 'wrong' ? 'alert' : 'status'}>
      {state === 'right' && 'Checked in your browser, against the keys that the gateway publishes.'}
      {state === 'wrong' && 'What this page was sent contradicts itself. Keep a copy of it and open a dispute.'}
      {state === 'open' && 'Nothing contradicts the record, but what would prove it is missing.'}
    </Alert>
  )
}

function Checks({ checks }: { checks: readonly Check[] }) {
  return (
    <List listStyleType="none" spacing="xs" size="sm" aria-label="What was checked">
      {checks.map(({ about, state, words }) => {
        const { color, Icon, word } = LOOKS[state]
        return (
          <List.Item key={about} icon={<Icon size={18} color={`var(--mantine-color-${color}-text)`} aria-hidden />}>
            <Text span inherit fw={600}>
              {about}
            </Text>{' '}
            <Text span inherit c="dimmed">
              ({word.toLowerCase()})
            </Text>
            <Text inherit style={{ overflowWrap: 'anywhere' }}>
              {words}
            </Text>
          </List.Item>
        )
      })}
    </List>
  )
}

function TextsForm({ onCheck }: { onCheck: (pasted: Pasted) => void }) {
  const [request, setRequest] = useState('')
  const [answer, setAnswer] = useState('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        onCheck({ request, answer })
      }}
    >
      <Stack gap="xs">
        <Text size="sm">
          The receipt holds salted hashes of your request and of the answer. Nobody here kept the texts: paste yours to
          check them too. They stay in this page.
        </Text>
        <Textarea
          label="The request you sent (JSON)"
          autosize
          minRows={2}
          maxRows={8}
          value={request}
          onChange={(event) => setRequest(event.currentTarget.value)}
        />
        <Textarea
          label="The answer you got (JSON, the events of a stream, or the plain text)"
          autosize
          minRows={2}
          maxRows={8}
          value={answer}
          onChange={(event) => setAnswer(event.currentTarget.value)}
        />
        <Group>
          <Button type="submit" variant="default" disabled={request === '' && answer === ''}>
            Check these texts
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function NotChecked({ hasTexts }: { hasTexts: boolean }) {
  return (
    <details>
      <summary>
        <Text span size="sm">
          What is not checked here
        </Text>
      </summary>
      <List size="sm" mt="xs" spacing={4}>
        {!hasTexts && <List.Item>The texts themselves, until you paste them.</List.Item>}
        <List.Item>
          Whether the answer is good: a receipt proves what was said, not that it was wise. Dispute it if it is not.
        </List.Item>
        <List.Item>
          Whether the signing key belongs to the node with this id: the gateway says so when it names it in its order.
        </List.Item>
        <List.Item>Whether the times are right: they are the node’s and the gateway’s own clocks.</List.Item>
        <List.Item>
          Whether the line stands in an unbroken journal: export yours under Billing and check it with souk-verify.
        </List.Item>
      </List>
    </details>
  )
}

function Originals({ call: { receipt, ticket, salt } }: { call: Generation }) {
  const parts = [
    ['Receipt', receipt],
    ['Order', ticket],
    ['Salt', salt],
  ] as const
  const kept = parts.flatMap(([name, text]) => (text === null ? [] : [{ name, text }]))
  if (kept.length === 0) return null
  return (
    <details>
      <summary>
        <Text span size="sm">
          The originals, to be checked elsewhere
        </Text>
      </summary>
      <Stack gap="xs" mt="xs">
        {kept.map(({ name, text }) => (
          <Stack key={name} gap={4} align="flex-start">
            <Group gap="xs">
              <Text size="sm" fw={600}>
                {name}
              </Text>
              <CopyButton value={text}>
                {({ copied, copy }) => (
                  <Button variant="default" size="compact-xs" onClick={copy} aria-label={`Copy: ${name}`}>
                    {copied ? 'Copied' : 'Copy'}
                  </Button>
                )}
              </CopyButton>
            </Group>
            <Code block w="100%" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
              {text}
            </Code>
          </Stack>
        ))}
      </Stack>
    </details>
  )
}
