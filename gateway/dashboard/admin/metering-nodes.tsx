// Where the nodes stand, by continent, and how many are in each state that is not simply active.
import { Card, Group, SimpleGrid, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { CONTINENTS } from '../public/continents.ts'
import { api, read } from '../data/api.ts'
import { TextLink } from '../ui/links.tsx'
import { Records } from '../ui/records.tsx'
import { Loaded, Loading } from '../ui/state.tsx'

const NodeMap = lazy(async () => ({ default: (await import('../public/node-map.tsx')).NodeMap }))

/** those that somebody should look at */
const STATES = ['pending', 'probation', 'draining', 'suspended'] as const
const COUNTED = 100
const LOOK_MS = 30_000

export function Nodes() {
  const nodes = useQuery({
    queryKey: ['admin', 'node-states'],
    queryFn: async () => {
      const [status, ...pages] = await Promise.all([
        read(api.api.status.$get()),
        ...STATES.map((state) => read(api.api.admin.nodes.$get({ query: { state, limit: String(COUNTED) } }))),
      ])
      const states = STATES.map((state, i) => {
        const page = pages[i]
        return { state, count: `${page?.data.length ?? 0}${page?.nextCursor ? ' and more' : ''}` }
      })
      return { regions: status.nodes, states }
    },
    refetchInterval: LOOK_MS,
  })
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        Nodes
      </Title>
      <Loaded query={nodes}>
        {({ regions, states }) => (
          <>
            <Group gap="md" mb="xs">
              {states.map(({ state, count }) => (
                <TextLink key={state} to="/admin/nodes" search={{ state }}>
                  {count} {state}
                </TextLink>
              ))}
            </Group>
            {regions.length === 0 ? (
              <Text c="dimmed">No node is registered yet.</Text>
            ) : (
              <SimpleGrid cols={{ base: 1, lg: 2 }}>
                <Suspense fallback={<Loading />}>
                  <NodeMap nodes={regions} />
                </Suspense>
                <Records
                  caption="Nodes by continent"
                  rows={regions}
                  keyOf={({ region }) => region ?? 'not known'}
                  columns={[
                    {
                      title: 'Continent',
                      cell: ({ region }) => (region === null ? 'not known' : CONTINENTS[region].name),
                    },
                    { title: 'Active', isNumber: true, cell: ({ active }) => active },
                    { title: 'All', isNumber: true, cell: ({ total }) => total },
                  ]}
                />
              </SimpleGrid>
            )}
          </>
        )}
      </Loaded>
    </Card>
  )
}
