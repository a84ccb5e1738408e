// How a parameter came to be what it is: every change with its reason and who made it, those taken back too.
import { Text } from '@mantine/core'
import { useState } from 'react'
import type { ParameterName } from '../../../protocol/parameters.ts'
import { api, read } from '../data/api.ts'
import { usePages } from '../data/use-pages.ts'
import { PagedRecords } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { When } from '../ui/when.tsx'
import { withUnit } from './parameter-words.ts'

export function ParameterHistory({ name, unit }: { name: ParameterName; unit: string }) {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        <Text span size="sm" c="dimmed">
          History
        </Text>
      </summary>
      {isOpen && <Entries name={name} unit={unit} />}
    </details>
  )
}

function Entries({ name, unit }: { name: ParameterName; unit: string }) {
  const history = usePages({
    key: ['admin', 'parameters', name, 'history'],
    ask: (cursor) =>
      read(
        api.api.admin.parameters[':name'].history.$get({
          param: { name },
          query: { ...(cursor !== undefined && { cursor }) },
        }),
      ),
  })
  return (
    <PagedRecords
      query={history}
      caption="Changes of the parameter"
      keyOf={({ id }) => id}
      empty={<Text size="sm">Nobody has changed it: it is as configured.</Text>}
      columns={[
        { title: 'When', cell: ({ at }) => <When at={at} /> },
        { title: 'From', isNumber: true, cell: ({ before }) => withUnit(before, unit) },
        { title: 'To', isNumber: true, cell: ({ value }) => withUnit(value, unit) },
        { title: 'Reason', cell: ({ reason }) => reason },
        { title: 'By', cell: ({ by }) => <span title={by}>{shortAddress(by)}</span> },
        {
          title: 'Holds',
          cell: ({ effectiveAt, withdrawnAt }) =>
            withdrawnAt === null ? (
              <>
                from <When at={effectiveAt} /> on
              </>
            ) : (
              <>
                taken back <When at={withdrawnAt} />
              </>
            ),
        },
      ]}
    />
  )
}
