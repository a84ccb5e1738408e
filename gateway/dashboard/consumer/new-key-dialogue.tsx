// The dialogue that shows a new key (new-key.tsx). Closing is a choice of its own, not a click beside it.
import { Alert, Button, Code, CopyButton, Group, Modal, Stack, Text } from '@mantine/core'
import type { CreatedKey } from '../../../protocol/auth.ts'
import { CodeSample } from './code-sample.tsx'

export interface NewKeyProps {
  readonly isOpen: boolean
  readonly made: CreatedKey | null
  readonly onClose: () => void
}

export function NewKeyDialogue({ isOpen, made, onClose }: NewKeyProps) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title="Your new key"
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      {made !== null && (
        <Stack>
          <Alert color="orange" title="It is shown this once">
            Nobody can show it again, we included. Copy it now and keep it where your program reads its secrets.
          </Alert>
          <Text style={{ overflowWrap: 'anywhere' }}>{made.name}</Text>
          <Group wrap="nowrap" align="flex-start">
            <Code block aria-label="The key" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap', flex: 1 }}>
              {made.key}
            </Code>
            <CopyButton value={made.key}>
              {({ copied, copy }) => <Button onClick={copy}>{copied ? 'Copied' : 'Copy'}</Button>}
            </CopyButton>
          </Group>
          {made.scopes.includes('inference') && <CodeSample apiKey={made.key} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              I have kept it
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}
