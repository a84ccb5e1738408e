// A button that asks before it does: it names what will happen, and only then does it.
import { Button, Stack } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { ReactNode } from 'react'
import { Confirm } from '../ui/confirm.tsx'

export function AskFirst({
  label,
  title,
  children,
  action = label,
  run,
  isBusy,
  size = 'sm',
}: {
  readonly label: string
  readonly title: string
  readonly children: ReactNode
  /** on the button that does it */
  readonly action?: string
  readonly run: () => void
  readonly isBusy: boolean
  readonly size?: 'xs' | 'sm'
}) {
  const [isOpen, { open, close }] = useDisclosure()
  return (
    <>
      <Button variant="default" size={size} onClick={open} loading={isBusy}>
        {label}
      </Button>
      <Confirm
        isOpen={isOpen}
        onClose={close}
        title={title}
        action={action}
        onConfirm={() => {
          close()
          run()
        }}
      >
        <Stack gap="xs">{children}</Stack>
      </Confirm>
    </>
  )
}
