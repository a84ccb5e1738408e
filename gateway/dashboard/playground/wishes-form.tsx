// Who may serve the call: a small part of what the `provider` field of a request can say. Shut until somebody wants it.
import { Collapse, Stack, UnstyledButton } from '@mantine/core'
import { lazy, Suspense, useState } from 'react'
import { Loading } from '../ui/state.tsx'
import type { WishesProps } from './wishes-fields.tsx'

const WishesFields = lazy(async () => ({ default: (await import('./wishes-fields.tsx')).WishesFields }))

export function WishesForm(props: WishesProps) {
  /** null: never opened yet */
  const [isOpen, setIsOpen] = useState<boolean | null>(null)
  return (
    <Stack gap="xs">
      <UnstyledButton
        type="button"
        onClick={() => setIsOpen(isOpen !== true)}
        aria-expanded={isOpen === true}
        c="var(--mantine-color-anchor)"
        fz="sm"
      >
        {isOpen === true ? 'Let the market choose the node' : 'Choose which nodes may serve it'}
      </UnstyledButton>
      <Collapse expanded={isOpen === true}>
        {isOpen !== null && (
          <Suspense fallback={<Loading />}>
            <WishesFields {...props} />
          </Suspense>
        )}
      </Collapse>
    </Stack>
  )
}
