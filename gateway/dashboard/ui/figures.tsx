// A row of numbers with their names: what stands at the top of a page.
import { Card, SimpleGrid, Text } from '@mantine/core'
import { isValidElement, type ReactNode } from 'react'
import { Money } from './money.tsx'

export interface Figure {
  readonly name: string
  readonly value: ReactNode
  readonly note?: ReactNode
}

export function Figures({ figures }: { figures: readonly Figure[] }) {
  // An amount goes down to the nano: two of them are wider than a phone.
  const isWide = figures.some(({ value }) => isValidElement(value) && value.type === Money)
  const few = isWide ? { base: 1, xs: 2, md: 3 } : { base: 2, sm: 3 }
  return (
    <SimpleGrid cols={{ ...few, lg: Math.min(figures.length, 5) }} component="dl" m={0}>
      {figures.map(({ name, value, note }) => (
        <Card key={name} withBorder padding="sm">
          <Text component="dt" size="sm" c="dimmed">
            {name}
          </Text>
          <Text component="dd" m={0} fw={600} size="lg" style={{ overflowWrap: 'anywhere' }}>
            {value}
          </Text>
          {note !== undefined && (
            <Text component="dd" m={0} size="sm" c="dimmed">
              {note}
            </Text>
          )}
        </Card>
      ))}
    </SimpleGrid>
  )
}
