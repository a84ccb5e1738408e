// A row of numbers with their names: what stands at the top of a page.
import { Card, SimpleGrid, Text } from '@mantine/core'
import type { ReactNode } from 'react'

export interface Figure {
  readonly name: string
  readonly value: ReactNode
  readonly note?: ReactNode
}

export function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: Math.min(figures.length, 5) }} component="dl" m={0}>
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
