// Why the call went where it went: in words, with every candidate's score, and drawn again here from its seed.
import { Alert, Card, Code, List, Stack, Text, Title } from '@mantine/core'
import type { Candidate, Choice } from '../../../../protocol/choice.ts'
import { replay } from '../../../../protocol/replay.ts'
import type { Generation } from '../../../../protocol/generation.ts'
import { Money } from '../../ui/money.tsx'
import { Records, type Column } from '../../ui/records.tsx'
import { attemptWords, choiceWords, percent, whyOf } from './route-words.ts'

const COLUMNS: readonly Column<Candidate>[] = [
  { title: 'Node', cell: ({ nodeId }) => <Code>{nodeId}</Code> },
  { title: 'Estimated price', isNumber: true, cell: ({ price }) => <Money amount={price} /> },
  { title: 'Score', isNumber: true, cell: ({ weight }) => (weight === 0 ? '–' : weight.toPrecision(3)) },
  { title: 'Chance', isNumber: true, cell: ({ share }) => percent(share) },
  { title: 'What became of it', cell: whyOf },
]

export function RouteCard({ call }: { call: Generation }) {
  return (
    <Card withBorder component="section" aria-labelledby="route">
      <Stack>
        <Title order={2} size="h4" id="route">
          The route
        </Title>
        {call.attempts !== null && call.attempts.length > 0 && (
          <List size="sm" listStyleType="none" aria-label="Attempts">
            {call.attempts.map((attempt) => (
              <List.Item key={attempt.attempt} style={{ overflowWrap: 'anywhere' }}>
                {attemptWords(attempt)}
              </List.Item>
            ))}
          </List>
        )}
        {call.purged && <Text size="sm">What explains this call was kept for a time only, and this time is over.</Text>}
        {(call.choices ?? []).map((choice, i) => (
          <Explained key={i} choice={choice} />
        ))}
      </Stack>
    </Card>
  )
}

function Explained({ choice }: { choice: Choice }) {
  const ranked = choice.candidates.toSorted(
    (a, b) => (a.turn ?? Infinity) - (b.turn ?? Infinity) || b.weight - a.weight,
  )
  return (
    <Stack gap="xs">
      <Text size="sm">{choiceWords(choice).join(' ')}</Text>
      <Records
        caption="Nodes that could have been asked"
        columns={COLUMNS}
        rows={ranked}
        keyOf={({ nodeId }) => nodeId}
      />
      <Text size="sm" c="dimmed">
        A score grows with speed and reliability and falls with the square of the price. Seed of the draw:{' '}
        <Code>{choice.seed}</Code>
      </Text>
      <DrawnAgain choice={choice} />
    </Stack>
  )
}

function DrawnAgain({ choice }: { choice: Choice }) {
  // What the caller named by itself is no draw, and its line is that of one name only.
  if (choice.chosen === null) return null
  const again = replay(choice)
  if (again === choice.chosen)
    return (
      <Alert color="teal" title="Drawn again here: the same node">
        This page repeated the choice from the seed and the scores above.
      </Alert>
    )
  return (
    <Alert color="red" role="alert" title="Drawn again here: another node">
      The seed and the scores above lead to {again ?? 'no node'}, not to {choice.chosen}.
    </Alert>
  )
}
