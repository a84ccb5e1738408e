// Money on a page: dollars as the gateway sent them, with the unit, every digit kept to the nano. Never a float.
import { Text } from '@mantine/core'
import { Hint } from './hint.tsx'

/** `"1.5"` -> `$1.50`; smaller amounts keep the digits that say something: `$0.000123456`. */
export function usd(amount: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount) ?? []
  const kept = fraction.replace(/0+$/, '').padEnd(2, '0')
  return `${sign}$${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${kept}`
}

/** An amount, right-aligned by its table; hover says it in full. */
export function Money({ amount, dimmed = false }: { amount: string; dimmed?: boolean }) {
  return (
    <Hint<HTMLParagraphElement> label={`${amount} US dollars`}>
      {(hinted) => (
        <Text
          span
          inherit
          c={dimmed ? 'dimmed' : undefined}
          style={{ fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' }}
          {...hinted}
        >
          {usd(amount)}
        </Text>
      )}
    </Hint>
  )
}
