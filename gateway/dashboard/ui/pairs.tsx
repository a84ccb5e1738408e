// Names and what they stand for, line by line: what something consists of.
import { Table } from '@mantine/core'
import type { ReactNode } from 'react'

export type Pair = readonly [name: string, value: ReactNode]

/** @param label what they are about, for who cannot see it @param nameWidth px */
export function Pairs({
  label,
  pairs,
  nameWidth = 140,
}: {
  label: string
  pairs: readonly Pair[]
  nameWidth?: number
}) {
  return (
    <Table variant="vertical" aria-label={label} layout="fixed">
      <Table.Tbody>
        {pairs.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" w={nameWidth}>
              {name}
            </Table.Th>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}
