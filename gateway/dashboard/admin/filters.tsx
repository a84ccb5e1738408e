// A list's filters: the beginning of a name, and a state. Both go into the address.
import { Button, Group, Select, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { ListSearch } from './search.ts'

export function Filters({
  search,
  states,
  label,
  onChange,
}: {
  search: ListSearch
  /** absent: the list has none to choose from */
  states?: readonly string[]
  /** what is looked for; absent: nothing can be */
  label?: string
  onChange: (next: ListSearch) => void
}) {
  const [q, setQ] = useState(search.q ?? '')
  return (
    <Group align="flex-end" gap="sm">
      {label !== undefined && (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            onChange({ ...(search.state !== undefined && { state: search.state }), ...(q.trim() && { q: q.trim() }) })
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput label={label} value={q} maxLength={160} onChange={(event) => setQ(event.currentTarget.value)} />
            <Button type="submit" variant="default">
              Find
            </Button>
          </Group>
        </form>
      )}
      {states !== undefined && (
        <Select
          label="State"
          w={180}
          data={[
            { value: '', label: 'all' },
            ...states.map((state) => ({ value: state, label: state.replaceAll('_', ' ') })),
          ]}
          value={search.state ?? ''}
          allowDeselect={false}
          onChange={(state) =>
            onChange({
              ...(search.q !== undefined && { q: search.q }),
              ...(state !== null && state !== '' && { state }),
            })
          }
        />
      )}
    </Group>
  )
}
