// Draws a hint beside what it is about (hint.tsx).
import { Tooltip } from '@mantine/core'
import type { RefObject } from 'react'

interface Bubble {
  readonly id: string
  readonly target: RefObject<HTMLElement | null>
  readonly isShown: boolean
  readonly label: string
}

export function HintBubble({ id, target, isShown, label }: Bubble) {
  // The bubble around it has an id of its own making.
  return <Tooltip target={target} opened={isShown} label={<span id={id}>{label}</span>} />
}
