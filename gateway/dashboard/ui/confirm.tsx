// The question before a dangerous action: what will happen, to what, for how much. A reason is asked for where one is kept.
import type { ReactNode } from 'react'
import { dialogue } from './dialogue.tsx'

export interface ConfirmProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  /** a question: "Suspend this node?" */
  readonly title: string
  /** what will happen, with names and amounts */
  readonly children: ReactNode
  /** the verb on the button */
  readonly action: string
  /** what the reason is for; absent: none is asked for */
  readonly reasonLabel?: string
  readonly reasonMax?: number
  readonly isBusy?: boolean
  /** @param reason what was written; empty when none is asked for */
  readonly onConfirm: (reason: string) => void
}

export const Confirm = dialogue<ConfirmProps>(async () => (await import('./confirm-dialogue.tsx')).ConfirmDialogue)
