// Money on a page: dollars as the gateway sent them, with the unit, every digit kept to the nano. Never a float.
import { Text } from '@mantine/core'
import { Hint } from './hint.tsx'
import { usd } from './usd.ts'

export { usd }

/** An amount, right-aligned by its table; hover says it in full. */
export function Money({ amount, dimmed = false }: { amount: string; dimmed?: boolean }) {
  return (
    <Hint<HTMLParagraphElement> label={`${amount} US dollars`}>
      {(hinted) => (
        <Text span inherit c={dimmed ? 'dimmed' : undefined} style={{ fontVariantNumeric: 'tabular-nums' }} {...hinted}>
          {usd(amount)}
        </Text>
      )}
    </Hint>
  )
}
