// Who serves a model: prices, and how well each did over a span of time. Names of nodes are their operators' text.
import { Badge, Stack, Text } from '@mantine/core'
import type { EndpointView, HealthWindow } from '../../../protocol/endpoints.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { useAccount } from '../session/session.ts'
import { usd } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Empty } from '../ui/state.tsx'
import { ReportButton } from './report.tsx'
import { isOfTensors } from './prices.ts'

export type WindowName = 'm5' | 'm30' | 'd1'
export const WINDOWS: { value: WindowName; label: string }[] = [
  { value: 'm5', label: '5 minutes' },
  { value: 'm30', label: '30 minutes' },
  { value: 'd1', label: '1 day' },
]

type Prices = NonNullable<PriceRange['low']>

/** The prices that a task is paid by, with what each is for. */
function pricesOf(task: string): readonly (readonly [string, (prices: Prices) => string])[] {
  const perCall = ['per call', (p: Prices) => p.perCall] as const
  if (isOfTensors(task)) return [['per MB of tensors', (p) => p.bytesPerMillion], perCall]
  const input = [
    ['per million input tokens', (p: Prices) => p.inputPerMillion],
    ['per million cached', (p: Prices) => p.cachedInputPerMillion],
  ] as const
  if (task !== 'chat') return [...input, perCall]
  return [...input, ['per million output tokens', (p) => p.outputPerMillion], perCall]
}

const titled = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}`

export function PriceRanges({ range, task }: { range: PriceRange; task: string }) {
  const { low, median, high } = range
  if (low === null || median === null || high === null)
    return <Empty title="Nobody offers it now">An operator who serves it sets its price.</Empty>
  const rows = [
    { name: 'Lowest', prices: low },
    { name: 'Middle', prices: median },
    { name: 'Highest', prices: high },
  ]
  return (
    <Records
      caption="What offers of this model ask for"
      rows={rows}
      keyOf={({ name }) => name}
      columns={[
        { title: 'Of all offers', cell: ({ name }) => name },
        ...pricesOf(task).map(([unit, price]) => ({
          title: titled(unit),
          isNumber: true,
          cell: ({ prices }: (typeof rows)[0]) => usd(price(prices)),
        })),
      ]}
    />
  )
}

interface OffersShown {
  readonly offers: readonly EndpointView[]
  readonly task: string
  readonly window: WindowName
}

export function Offers({ offers, task, window }: OffersShown) {
  const account = useAccount()
  if (offers.length === 0)
    return (
      <Empty title="No node serves it now">
        <Text size="sm">Calls are refused until one does. Nothing is charged for them.</Text>
      </Empty>
    )
  const measured = ({ windows }: EndpointView): HealthWindow | null => windows?.[window] ?? null
  const ms = (value: number | undefined) => (value === undefined ? '–' : quantity(Math.round(value), 'ms'))
  const columns: Column<EndpointView>[] = [
    { title: 'Node', cell: (offer) => <Node offer={offer} /> },
    {
      title: 'Price',
      cell: (offer) => <Lines of={pricesOf(task).map(([unit, price]) => `${usd(price(offer.prices))} ${unit}`)} />,
    },
    {
      title: 'Calls served',
      isNumber: true,
      cell: (offer) => {
        const { attempts = 0, served = 0 } = measured(offer) ?? {}
        return attempts === 0 ? 'none yet' : `${quantity(served / attempts, '%')} of ${attempts.toLocaleString('en')}`
      },
    },
    {
      title: 'First answer within',
      isNumber: true,
      cell: (offer) => {
        const { p50, p90, p99 } = measured(offer)?.firstTokenMs ?? {}
        return p50 === undefined ? '–' : <Lines of={[`half: ${ms(p50)}`, `90 %: ${ms(p90)}`, `99 %: ${ms(p99)}`]} />
      },
    },
    {
      title: isOfTensors(task) ? 'Bytes a second' : 'Tokens a second',
      isNumber: true,
      cell: (offer) =>
        measured(offer)?.unitsPerSecond?.p50.toLocaleString('en', { maximumSignificantDigits: 3 }) ?? '–',
    },
    { title: 'Busy', isNumber: true, cell: ({ inFlight, concurrencyMax }) => `${inFlight} of ${concurrencyMax}` },
    { title: 'Promises', cell: (offer) => <Promises offer={offer} /> },
    ...(account ? [REPORT] : []),
  ]
  return <Records caption="Nodes that serve this model" rows={offers} keyOf={({ node }) => node} columns={columns} />
}

const REPORT: Column<EndpointView> = {
  title: 'Wrong?',
  cell: ({ node, name }) => <ReportButton about="node" id={node} name={name} />,
}

function Node({ offer }: { offer: EndpointView }) {
  const { name, node, region, state, breaker } = offer
  return (
    <Stack gap={2}>
      <Text size="sm" fw={600} lineClamp={2} title={name}>
        <bdi>{name}</bdi>
      </Text>
      <Text size="xs" c="dimmed">
        {[node, region].filter((part) => part !== null).join(', ')}
      </Text>
      {state !== 'active' && <Mark>{state}</Mark>}
      {breaker !== 'closed' && (
        <Mark>{breaker === 'open' ? 'failing, left alone for a while' : 'being tried again'}</Mark>
      )}
    </Stack>
  )
}

/** One below the other, so that the table fits beside the navigation. */
function Lines({ of }: { of: readonly string[] }) {
  return (
    <Stack gap={0}>
      {of.map((line) => (
        <span key={line}>{line}</span>
      ))}
    </Stack>
  )
}

function Promises({ offer: { assurance, collectsData } }: { offer: EndpointView }) {
  return (
    <Stack gap={2} align="flex-start">
      <Mark>{assurance === 'pinned' ? 'loads these very files' : 'says it is this model'}</Mark>
      <Mark>{collectsData ? 'may keep what is sent' : 'keeps nothing'}</Mark>
    </Stack>
  )
}

function Mark({ children }: { children: string }) {
  return (
    <Badge
      color="gray"
      variant="outline"
      tt="none"
      size="sm"
      fw={500}
      h="auto"
      style={{ color: 'inherit' }}
      // A promise is read whole: in a narrow column it goes on below.
      styles={{ label: { whiteSpace: 'normal' } }}
    >
      {children}
    </Badge>
  )
}
