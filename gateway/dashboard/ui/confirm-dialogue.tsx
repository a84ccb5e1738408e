// The dialogue of a question that is asked before a dangerous action (confirm.tsx).
import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import type { ConfirmProps } from './confirm.tsx'

const REASON_MAX = 200

export function ConfirmDialogue(props: ConfirmProps) {
  const { isOpen, onClose, title } = props
  return (
    <Modal opened={isOpen} onClose={onClose} title={title} centered>
      <Question {...props} />
    </Modal>
  )
}

/** Its own component, so that each opening begins with an empty reason. */
function Question({
  children,
  action,
  reasonLabel,
  reasonMax = REASON_MAX,
  isBusy = false,
  onClose,
  onConfirm,
}: ConfirmProps) {
  const [reason, setReason] = useState('')
  const isMissing = reasonLabel !== undefined && reason.trim() === ''
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        // In React's tree it stands in the form that asked: that one is not sent by it.
        event.stopPropagation()
        if (!isMissing && !isBusy) onConfirm(reason.trim())
      }}
    >
      <Stack>
        <Text component="div" style={{ overflowWrap: 'anywhere' }}>
          {children}
        </Text>
        {reasonLabel !== undefined && (
          <Textarea
            label={reasonLabel}
            required
            autosize
            minRows={2}
            maxLength={reasonMax}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button color="red" type="submit" loading={isBusy} disabled={isMissing}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
