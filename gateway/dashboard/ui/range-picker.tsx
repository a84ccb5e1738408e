// The range of time that a page shows: today, 7 days, 30 days, or two times of one's own. What is chosen goes into the address (ui/range.ts).
import { Button, Group, SegmentedControl, TextInput } from '@mantine/core'
import { useState } from 'react'
import { presetOf, rangeOf, type RangeSearch } from './range.ts'

const PRESETS = [
  { value: 'today', label: 'Today' },
  { value: '7d', label: '7 days' },
  { value: '30d', label: '30 days' },
  { value: 'custom', label: 'Custom' },
]

/** @param onChange what belongs into the address now, in place of the range that stands there */
export function RangePicker({ search, onChange }: { search: RangeSearch; onChange: (next: RangeSearch) => void }) {
  const preset = presetOf(search)
  return (
    <Group gap="xs" align="flex-end">
      <SegmentedControl
        aria-label="Range of time"
        size="xs"
        data={PRESETS}
        value={preset}
        onChange={(value) => {
          if (value === 'today' || value === '7d' || value === '30d') onChange({ range: value })
          else {
            const { from, to } = rangeOf(search, Date.now())
            onChange({ from, to })
          }
        }}
      />
      {preset === 'custom' && <OwnTimes key={`${search.from} ${search.to}`} search={search} onChange={onChange} />}
    </Group>
  )
}

function OwnTimes({ search, onChange }: { search: RangeSearch; onChange: (next: RangeSearch) => void }) {
  const [from, setFrom] = useState(localOf(search.from))
  const [to, setTo] = useState(localOf(search.to))
  const isInOrder = Date.parse(from) < Date.parse(to)
  const apply = () => onChange({ from: new Date(from).toISOString(), to: new Date(to).toISOString() })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isInOrder) apply()
      }}
    >
      <Group gap="xs" align="flex-end">
        <TextInput
          size="xs"
          type="datetime-local"
          label="From"
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          size="xs"
          type="datetime-local"
          label="To"
          value={to}
          error={isInOrder ? undefined : 'Must be later than "From".'}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Button size="xs" variant="default" type="submit" disabled={!isInOrder}>
          Show
        </Button>
      </Group>
    </form>
  )
}

/** as `datetime-local` writes it, in the viewer's zone */
function localOf(time: string | undefined): string {
  if (time === undefined) return ''
  const at = new Date(time)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
