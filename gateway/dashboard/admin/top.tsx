// Who or what was charged most: accounts, models or nodes. A model or node narrows the page to itself.
import { Card, Group, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { api, read } from '../data/api.ts'
import { TextLink } from '../ui/links.tsx'
import { Money } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import type { Range } from '../ui/range.ts'
import { Records } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty, Loaded } from '../ui/state.tsx'
import { AccountName } from './names.tsx'
import { SaveList } from './save-list.tsx'
import type { MeteringSearch } from './search.ts'

const TITLES = { account: 'Accounts', model: 'Models', node: 'Nodes' } as const
const ROWS = '10'

export function Top({ by, range, search }: { by: keyof typeof TITLES; range: Range; search: MeteringSearch }) {
  const asked = { ...range, by, limit: ROWS }
  const top = useQuery({
    queryKey: ['admin', 'top', asked],
    queryFn: () => read(api.api.admin.top.$get({ query: asked })),
    placeholderData: keepPreviousData,
  })
  const nameOf = (id: string): ReactNode =>
    by === 'account' ? (
      <AccountName id={id} />
    ) : (
      <TextLink inherit to="/admin" search={{ ...search, [by]: id }} title={id} style={{ overflowWrap: 'anywhere' }}>
        {by === 'node' ? shortAddress(id) : id}
      </TextLink>
    )
  return (
    <Card withBorder component="section">
      <Group justify="space-between" mb="xs">
        <Title order={3} size="h5">
          {TITLES[by]}
        </Title>
        <SaveList name={`top-${by}.csv`} ask={() => api.api.admin.top.$get({ query: { ...asked, format: 'csv' } })} />
      </Group>
      <Loaded query={top}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="Nothing was charged">
              <Text c="dimmed">Choose a longer range.</Text>
            </Empty>
          ) : (
            <Records
              caption={`${TITLES[by]} that were charged most`}
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { title: TITLES[by].slice(0, -1), cell: ({ id }) => nameOf(id) },
                { title: 'Calls', isNumber: true, cell: ({ calls }) => quantity(calls, 'calls') },
                { title: 'Charged', isNumber: true, cell: ({ charge }) => <Money amount={charge} /> },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  )
}
