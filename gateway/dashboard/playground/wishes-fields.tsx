// The fields of wishes-form.tsx. They bring a list to choose several of, which only who opens them waits for.
import { Checkbox, MultiSelect, Select, SimpleGrid, Stack, TextInput } from '@mantine/core'
import type { Continent } from '../../../protocol/routing.ts'
import type { Wishes } from './asked.ts'
import type { Surface } from './surface.ts'

export interface WishesProps {
  readonly surface: Surface
  readonly wishes: Wishes
  readonly onChange: (wishes: Wishes) => void
}

const CONTINENTS: Readonly<Record<Continent, string>> = {
  AF: 'Africa',
  AN: 'Antarctica',
  AS: 'Asia',
  EU: 'Europe',
  NA: 'North America',
  OC: 'Oceania',
  SA: 'South America',
}

const CONTINENT_CHOICES = Object.entries(CONTINENTS).map(([value, label]) => ({ value: value as Continent, label })) // the table's own keys

export function WishesFields({ surface, wishes, onChange }: WishesProps) {
  const text = (name: 'only' | 'ignore' | 'maxInputPrice' | 'maxOutputPrice' | 'maxBytesPrice') => ({
    value: wishes[name],
    onChange: (event: { currentTarget: { value: string } }) =>
      onChange({ ...wishes, [name]: event.currentTarget.value }),
  })
  const flag = (name: 'isPinnedOnly' | 'isPrivateOnly' | 'isOneTry') => ({
    checked: wishes[name],
    onChange: (event: { currentTarget: { checked: boolean } }) =>
      onChange({ ...wishes, [name]: event.currentTarget.checked }),
  })
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Select
          label="Ask first"
          data={SORTS}
          allowDeselect={false}
          value={wishes.sort}
          onChange={(sort) => onChange({ ...wishes, sort: (sort ?? '') as Wishes['sort'] })} // one of SORTS
        />
        <MultiSelect
          label="Only nodes in"
          placeholder={wishes.regions.length === 0 ? 'anywhere' : ''}
          data={CONTINENT_CHOICES}
          value={[...wishes.regions]}
          onChange={(regions) => onChange({ ...wishes, regions })}
        />
        <TextInput label="Only these nodes or operators" description="Their ids, with commas." {...text('only')} />
        <TextInput label="Not these" description="Their ids, with commas." {...text('ignore')} />
        {surface === 'tensors' ? (
          <TextInput label="Highest price, $ per million bytes" {...text('maxBytesPrice')} />
        ) : (
          <>
            <TextInput label="Highest price of input, $ per million tokens" {...text('maxInputPrice')} />
            <TextInput label="Highest price of output, $ per million tokens" {...text('maxOutputPrice')} />
          </>
        )}
      </SimpleGrid>
      <Checkbox label="Only nodes that load the model’s own files" {...flag('isPinnedOnly')} />
      <Checkbox label="Only nodes that keep nothing of questions and answers" {...flag('isPrivateOnly')} />
      <Checkbox label="Ask one node only: if it fails, the call fails" {...flag('isOneTry')} />
    </Stack>
  )
}

const SORTS = [
  { value: '', label: 'as the market draws' },
  { value: 'price', label: 'the cheapest' },
  { value: 'throughput', label: 'the fastest' },
  { value: 'latency', label: 'the one that begins first' },
]
