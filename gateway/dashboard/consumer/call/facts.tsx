// Pairs of a name and a value, read down the page; a definition list, so that a screen reader pairs them too.
import { Box, Text } from '@mantine/core'
import type { ReactNode } from 'react'

export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <Box
      component="dl"
      m={0}
      style={{
        display: 'grid',
        gridTemplateColumns: 'repeat(auto-fill, minmax(170px, 1fr))',
        gap: 'var(--mantine-spacing-sm)',
      }}
    >
      {facts.map(([name, value]) => (
        <Box key={name} style={{ overflowWrap: 'anywhere' }}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" size="sm" m={0}>
            {value}
          </Text>
        </Box>
      ))}
    </Box>
  )
}
