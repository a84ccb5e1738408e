// How a call ended, as a word with a colour: never by the colour alone.
import { Text } from '@mantine/core'
import { Mark } from './mark.tsx'

const SHOWN: Readonly<Record<string, { readonly words: string; readonly color: string }>> = {
  complete: { words: 'complete', color: 'teal' },
  cancelled: { words: 'stopped by you', color: 'gray' },
  failed: { words: 'failed', color: 'red' },
  expired: { words: 'ran out of time', color: 'orange' },
}
export const OUTCOMES = Object.entries(SHOWN).map(([value, { words }]) => ({ value, label: words }))

export function Outcome({ outcome, errorCode = null }: { outcome: string; errorCode?: string | null }) {
  const { words, color } = SHOWN[outcome] ?? { words: outcome, color: 'gray' }
  return (
    <>
      <Mark words={words} color={color} />
      {errorCode !== null && errorCode !== 'cancelled' && (
        <Text size="xs" c="dimmed">
          {errorCode}
        </Text>
      )}
    </>
  )
}
