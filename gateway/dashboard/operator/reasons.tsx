// Why a node gets no calls, or fewer than it could: the gateway's own sentences, each of which ends in what to do.
import { Alert, List, Text } from '@mantine/core'

export function Reasons({ reasons, notices }: { reasons: readonly string[]; notices: readonly string[] }) {
  return (
    <>
      {reasons.length === 0 ? (
        <Text>Nothing is in the way of calls.</Text>
      ) : (
        <Alert variant="default" title="Why it gets no calls, or fewer than it could">
          <Sentences sentences={reasons} />
        </Alert>
      )}
      {notices.length > 0 && (
        <Alert variant="default" title="Worth knowing">
          <Sentences sentences={notices} />
        </Alert>
      )}
    </>
  )
}

function Sentences({ sentences }: { sentences: readonly string[] }) {
  if (sentences.length === 1)
    return (
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {sentences[0]}
      </Text>
    )
  return (
    <List size="sm" style={{ overflowWrap: 'anywhere' }}>
      {sentences.map((sentence) => (
        <List.Item key={sentence}>{sentence}</List.Item>
      ))}
    </List>
  )
}
