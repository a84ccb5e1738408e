// Money that the house gives: how much and why, asked once more before it is given. What is given, and to whom, says who uses the form; a new `key` of the
// form empties it.
import { Button, Group, Stack, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Confirm } from '../ui/confirm.tsx'
import { usd as dollars } from '../ui/money.tsx'
import { amountError } from './amount.ts'

export interface Gift {
  readonly usd: string
  readonly reason: string
}

interface GiftFormProps {
  readonly dollarsLabel: string
  readonly reasonLabel: string
  /** on the button */
  readonly verb: string
  readonly question: string
  /** of the button that answers it, and what will happen. @param amount such as `$1.50` */
  readonly action: (amount: string) => string
  readonly words: (amount: string) => ReactNode
  /** false: something else is missing */
  readonly isReady?: boolean
  readonly isBusy: boolean
  readonly give: (gift: Gift) => void
  /** fields above, and beside */
  readonly above?: ReactNode
  readonly beside?: ReactNode
}

export function GiftForm({
  verb,
  question,
  action,
  words,
  isReady = true,
  isBusy,
  give,
  above,
  ...fields
}: GiftFormProps) {
  const [usd, setUsd] = useState('')
  const [reason, setReason] = useState('')
  const [isAsking, setIsAsking] = useState(false)
  const isWhole = isReady && amountError(usd) === null && reason.trim() !== ''
  const amount = isWhole ? dollars(usd) : ''
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isWhole) setIsAsking(true)
      }}
    >
      <Stack>
        {above}
        <Group align="flex-start">
          <TextInput
            label={fields.dollarsLabel}
            required
            inputMode="decimal"
            value={usd}
            error={usd === '' ? null : amountError(usd)}
            onChange={(event) => setUsd(event.currentTarget.value.trim())}
          />
          <TextInput
            label={fields.reasonLabel}
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          {fields.beside}
        </Group>
        <Group>
          <Button type="submit" disabled={!isWhole} loading={isBusy}>
            {verb}
          </Button>
        </Group>
      </Stack>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title={question}
        action={action(amount)}
        onConfirm={() => {
          setIsAsking(false)
          give({ usd, reason: reason.trim() })
        }}
      >
        {isWhole && words(amount)}
      </Confirm>
    </form>
  )
}
