// Where the nodes stand, by continent: on the map that everybody sees, and as a table.
import { Card, SimpleGrid, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { CONTINENTS } from '../public/continents.ts'
import { api, read } from '../data/api.ts'
import { Records } from '../ui/records.tsx'
import { Loaded, Loading } from '../ui/state.tsx'

const NodeMap = lazy(async () => ({ default: (await import('../public/node-map.tsx')).NodeMap }))

const LOOK_MS = 60_000

/** An empty map says nothing. */
const isPlaced = (regions: readonly { readonly region: string | null }[]): boolean =>
  regions.some(({ region }) => region !== null)

export function Nodes() {
  const nodes = useQuery({
    queryKey: ['admin', 'node-map'],
    queryFn: async () => (await read(api.api.status.$get())).nodes,
    refetchInterval: LOOK_MS,
  })
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        Where the nodes stand
      </Title>
      <Loaded query={nodes}>
        {(regions) =>
          regions.length === 0 ? (
            <Text c="dimmed">No node is registered yet.</Text>
          ) : (
            <SimpleGrid cols={{ base: 1, lg: isPlaced(regions) ? 2 : 1 }}>
              {isPlaced(regions) && (
                <Suspense fallback={<Loading />}>
                  <NodeMap nodes={regions} />
                </Suspense>
              )}
              <Records
                caption="Nodes by continent"
                rows={regions}
                keyOf={({ region }) => region ?? 'not known'}
                columns={[
                  {
                    title: 'Continent',
                    cell: ({ region }) => (region === null ? 'not known' : CONTINENTS[region].name),
                  },
                  { title: 'Take calls', isNumber: true, cell: ({ active }) => active },
                  { title: 'All', isNumber: true, cell: ({ total }) => total },
                ]}
              />
            </SimpleGrid>
          )
        }
      </Loaded>
    </Card>
  )
}
