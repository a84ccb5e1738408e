// What came of a call: the answer as plain text, whatever is in it, what it costs while it runs and what it cost, and how it ended.
import { Alert, Anchor, Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { endpointsQuery } from '../operator/node-queries.ts'
import { usd } from '../ui/money.tsx'
import type { Turn } from './asked.ts'
import { costSoFar } from './estimate.ts'
import type { Run } from './use-run.ts'

export function Answer({ turns, run }: { turns: readonly Turn[]; run: Run | null }) {
  const isChat = run?.asked.surface === 'chat'
  // A whole answer is the last turn by then.
  const isApart = run !== null && !(isChat && run.phase === 'done')
  return (
    <Card withBorder component="section" aria-label="Answer">
      <Stack>
        <Title order={2} size="h4">
          Answer
        </Title>
        {run === null && turns.length === 0 && <Text c="dimmed">The answer will stand here.</Text>}
        {turns.map(({ role, content }, i) => (
          <Said key={i} who={role === 'user' ? 'You' : 'The model'} text={content} />
        ))}
        {isApart && run.text !== '' && <Said who="The model" text={shown(run)} />}
        {run !== null && <Ending run={run} />}
      </Stack>
    </Card>
  )
}

function Said({ who, text }: { who: string; text: string }) {
  return (
    <Stack gap={2}>
      <Text size="xs" c="dimmed" fw={600}>
        {who}
      </Text>
      <Text dir="auto" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {text}
      </Text>
    </Stack>
  )
}

/** Tensors are JSON, with a line for each of its parts. */
function shown({ asked, text }: Run): string {
  if (asked.surface !== 'tensors') return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const PHASES: Readonly<Record<Run['phase'], string>> = {
  waiting: 'Waiting for the first word',
  answering: 'Answering',
  done: 'Complete',
  stopped: 'Stopped by you',
  failed: 'Failed',
}

function Ending({ run }: { run: Run }) {
  const { phase, failure, head } = run
  return (
    <Stack gap="xs" aria-live="polite">
      {failure !== null && (
        <Alert color="red" title="The call was refused or failed" role="alert">
          {failure.message}
          {failure.requestId === null ? '' : ` (${failure.code}, request ${failure.requestId})`}
        </Alert>
      )}
      <Group gap="sm">
        <Badge variant="outline" color="gray" tt="none">
          {PHASES[phase]}
        </Badge>
        <Cost run={run} />
      </Group>
      {head.callId !== null && phase !== 'waiting' && (
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          Call{' '}
          <Anchor component={Link} to={`/calls/${head.callId}`}>
            {head.callId}
          </Anchor>
          {head.node === null ? '' : `, served by ${head.node}`}
        </Text>
      )}
    </Stack>
  )
}

function Cost({ run }: { run: Run }) {
  const { phase, charge, head, isSettling, asked, text, failure } = run
  const isRunning = phase === 'waiting' || phase === 'answering'
  const endpoints = useQuery({ ...endpointsQuery(asked.model), enabled: isRunning })
  if (charge !== null) {
    const { cost, inputTokens, outputTokens } = charge
    const units =
      inputTokens === null
        ? ''
        : ` for ${inputTokens} tokens in${outputTokens === null ? '' : ` and ${outputTokens} out`}`
    return (
      <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
        Cost: <strong>{usd(cost)}</strong>
        {units}
      </Text>
    )
  }
  if (isSettling) return <Text size="sm">The call is being settled …</Text>
  if (failure !== null && (failure.isRefusal || head.callId === null))
    return <Text size="sm">Nothing was charged.</Text>
  if (phase === 'stopped' || phase === 'failed')
    return (
      <Text size="sm">
        {head.callId === null ? 'No answer had begun. ' : ''}What it cost, if anything, stands in{' '}
        <Anchor component={Link} to="/calls">
          your calls
        </Anchor>
        .
      </Text>
    )
  const prices = endpoints.data?.data.endpoints.find(({ node }) => node === head.node)?.prices
  if (!prices || head.hold === null) return null
  const soFar = costSoFar({ input: asked.body.length, output: text.length }, prices, head.hold)
  return (
    <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
      About {usd(soFar)} so far (an estimate), at most {usd(head.hold)}
    </Text>
  )
}
