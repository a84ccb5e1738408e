// The dialogue that shows a webhook's secret, the only time it is shown.
import { Button, Code, CopyButton, Group, Modal, Stack, Text } from '@mantine/core'
import type { WebhookWithSecret } from '../../../protocol/webhook.ts'

export interface SecretOnceProps {
  readonly isOpen: boolean
  readonly webhook: WebhookWithSecret | null
  readonly onClose: () => void
}

export function SecretOnce({ isOpen, webhook, onClose }: SecretOnceProps) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title="The secret of this webhook"
      centered
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      {webhook !== null && (
        <Stack>
          <Text>
            Keep it now: it is shown only this once. With it your program checks that a message comes from here and was
            not changed.
          </Text>
          <Code block tabIndex={0} aria-label="Secret" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
            {webhook.secret}
          </Code>
          <Group justify="flex-end">
            <CopyButton value={webhook.secret}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
            <Button onClick={onClose}>I have kept it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}
