// Two people change one thing at once: the later one is told, nothing of theirs is done, and they see what holds now.
import { Alert, Button, Stack, Text } from '@mantine/core'
import { ApiError } from '../data/api.ts'

/** What was done; or `changed`, when somebody else was faster. @throws ApiError of any other refusal */
export async function unlessChanged<T>(asked: Promise<T>): Promise<T | 'changed'> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ApiError && error.code === 'changed_meanwhile') return 'changed'
    throw error
  }
}

export function ChangedMeanwhile({ what, onReload }: { what: string; onReload: () => void }) {
  return (
    <Alert color="orange" title={what} role="alert">
      <Stack align="flex-start" gap="xs">
        <Text size="sm">
          Nothing of yours was done. Look at what holds now, and decide again if it is still needed.
        </Text>
        <Button variant="default" size="xs" onClick={onReload}>
          Show what holds now
        </Button>
      </Stack>
    </Alert>
  )
}
