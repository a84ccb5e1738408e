// Somebody else changed what is being typed here: what holds now is said beside it, nothing typed is lost, and it is sent only after its owner has said so.
import { Alert, Button, Stack, Text } from '@mantine/core'

interface TypedMeanwhileProps {
  /** @example 'Somebody else changed the limits meanwhile' */
  readonly title: string
  /** what holds, as a sentence */
  readonly now: string
  /** what is typed is meant for what holds now */
  readonly onGoOn: () => void
}

export function TypedMeanwhile({ title, now, onGoOn }: TypedMeanwhileProps) {
  return (
    <Alert color="orange" role="alert" title={title}>
      <Stack align="flex-start" gap="xs">
        <Text size="sm">{now} Nothing of yours was saved; what you typed still stands here.</Text>
        <Button variant="default" size="xs" onClick={onGoOn}>
          Go on with what I typed
        </Button>
      </Stack>
    </Alert>
  )
}
