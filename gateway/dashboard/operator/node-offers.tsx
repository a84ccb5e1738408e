// What a node offers: each model with its state, how it does, its prices and what others ask for the same.
import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import type { OfferPrices, OfferView } from '../../../protocol/node.ts'
import type { NodeStatusView, OfferHealthView, PriceRange } from '../../../protocol/operator.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Money } from '../ui/money.tsx'
import { Records, type Column } from '../ui/records.tsx'
import { Empty } from '../ui/state.tsx'
import { AskFirst } from './ask-first.tsx'
import { Commands } from './commands.tsx'
import { ModelLink } from './model-link.tsx'
import { count, ms, perSecond, share } from './node-state.tsx'
import { offersAfter, type OfferChange } from './offer-request.ts'
import { PriceForm } from './price-form.tsx'
import { PRICE_KINDS } from './price-kinds.ts'

export function NodeOffers({ status }: { status: NodeStatusView }) {
  const { node, health, prices } = status
  const param = { id: node.id }
  const change = useAction({
    run: (wanted: OfferChange) => {
      // All offers are told at once: what somebody else, or the node's own program, changed meanwhile is not to be overwritten unseen.
      const { seen } = wanted
      const json = { offers: offersAfter(node.offers, wanted), ...(seen !== undefined && { seen }) }
      return read(api.api.nodes[':id'].offers.$put({ param, json }))
    },
    say: (_node, { model }) => `The gateway knows the change of ${model}.`,
    changes: [['operator'], ['model']],
  })
  if (node.offers.length === 0)
    return (
      <Empty title="It offers nothing yet">
        <Commands
          commands={[{ line: 'souk-node models add MODEL', why: 'Offer a model, on the machine of the node:' }]}
        />
      </Empty>
    )
  const offered = node.offers.filter(({ state }) => state !== 'paused')
  return (
    <Stack>
      {node.offers.map((offer) => (
        <Offer
          key={offer.model}
          offer={offer}
          health={health.find(({ model }) => model === offer.model)}
          range={prices.find(({ model }) => model === offer.model)}
          isLast={offered.length === 1}
          isFixed={node.state === 'revoked'}
          tag={node.offersTag}
          change={(wanted, saved) =>
            change.mutate({ model: offer.model, seen: node.offersTag, ...wanted }, { onSuccess: saved })
          }
          isBusy={change.isPending && change.variables.model === offer.model}
        />
      ))}
    </Stack>
  )
}

interface OfferProps {
  readonly offer: OfferView
  readonly health: OfferHealthView | undefined
  readonly range: PriceRange | undefined
  /** the only one that is offered: a node offers at least one */
  readonly isLast: boolean
  readonly isFixed: boolean
  /** of what the node offers now */
  readonly tag: string | undefined
  readonly change: (
    wanted: { prices?: OfferPrices; isOffered: boolean; seen?: string | undefined },
    saved?: () => void,
  ) => void
  readonly isBusy: boolean
}

const COLOURS = { live: 'green', pending: 'yellow', paused: 'gray' } as const
const BREAKER = {
  closed: 'closed: it is called',
  open: 'open: its last calls failed, and it is left alone for a while',
  half_open: 'half open: one call at a time, until one succeeds',
} as const

function Offer({ offer, health, range, isLast, isFixed, tag, change, isBusy }: OfferProps) {
  const isPaused = offer.state === 'paused'
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="xs">
            <Title order={2} size="h4" style={{ overflowWrap: 'anywhere' }}>
              <ModelLink id={offer.model} />
            </Title>
            <Badge variant="dot" color={COLOURS[offer.state]} tt="none" fw={500}>
              {offer.state}
            </Badge>
          </Group>
          {!isFixed && (
            <Group gap="xs">
              {!isPaused && (
                <PriceForm
                  offer={offer}
                  range={range}
                  tag={tag}
                  isBusy={isBusy}
                  save={(prices, seen, saved) => change({ prices, isOffered: true, seen }, saved)}
                />
              )}
              {!isPaused && !isLast && (
                <TakeOut offer={offer} isBusy={isBusy} run={() => change({ isOffered: false })} />
              )}
              {isPaused && (
                <AskFirst
                  label="Offer it again"
                  size="xs"
                  title={`Offer ${offer.model} again?`}
                  isBusy={isBusy}
                  run={() => change({ isOffered: true })}
                >
                  <Text>It answers its test calls first, and gets calls at the prices below when it has passed.</Text>
                </AskFirst>
              )}
            </Group>
          )}
        </Group>
        {offer.reason !== null && (
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {offer.reason}
          </Text>
        )}
        <Text size="sm" c="dimmed">
          {offer.assurance === 'declared' ? 'Declared: another server computes.' : 'Pinned to its files.'}
          {offer.contextTokens > 1 && ` Context ${count(offer.contextTokens)} tokens.`}
          {offer.outputTokensMax > 0 && ` Answers up to ${count(offer.outputTokensMax)} tokens.`} At most{' '}
          {count(offer.concurrencyMax)} calls at the same time
          {offer.inFlightCap !== undefined && offer.inFlightCap < offer.concurrencyMax
            ? ` (it is sent ${count(offer.inFlightCap)}, as many as it was found to take)`
            : ''}
          .
        </Text>
        {health && <Health health={health} drift={offer.driftPpm} />}
        <Records
          caption={`Prices of ${offer.model}`}
          columns={PRICES}
          rows={pricesOf(offer, range)}
          keyOf={({ name }) => name}
        />
        <Text size="sm" c="dimmed">
          {range === undefined || range.offers === 0
            ? 'Nobody else offers this model now.'
            : `${count(range.offers)} other ${range.offers === 1 ? 'offer is' : 'offers are'} live.`}
        </Text>
      </Stack>
    </Card>
  )
}

function TakeOut({ offer, isBusy, run }: { offer: OfferView; isBusy: boolean; run: () => void }) {
  return (
    <AskFirst
      label="Take it out"
      size="xs"
      title={`Take ${offer.model} out of the offers?`}
      action="Take it out"
      isBusy={isBusy}
      run={run}
    >
      <Text>
        This node gets no new calls for {offer.model}; those under way are finished. The node’s own config.json still
        has it: to keep it out, run <code>souk-node models remove</code> there as well.
      </Text>
    </AskFirst>
  )
}

function Health({ health, drift }: { health: OfferHealthView; drift: number | null }) {
  const day = health.windows?.d1
  const slowest = day?.firstTokenMs ? `; 99 % of the last day within ${ms(day.firstTokenMs.p99)}` : ''
  const facts: readonly (readonly [string, string])[] = [
    ['Breaker', BREAKER[health.breaker]],
    ['In flight', count(health.inFlight)],
    ['Calls that succeed', share(health.success)],
    ['Answers begin after', `${ms(health.firstTokenMs)}${slowest}`],
    ['Speed', perSecond(health.unitsPerSecond)],
    ['Refused as busy', share(health.busyShare)],
    ['Trust of audits', share(health.trust ?? 1)],
    ['Its receipts differ from the count here by', drift === null ? '–' : share(drift / 1_000_000)],
  ]
  return (
    <Group component="dl" m={0} gap="lg">
      {facts.map(([name, value]) => (
        <div key={name}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" m={0} size="sm">
            {value}
          </Text>
        </div>
      ))}
    </Group>
  )
}

interface PriceLine {
  readonly name: string
  readonly own: string
  readonly low: string | null
  readonly median: string | null
  readonly high: string | null
}

const pricesOf = ({ prices }: OfferView, range: PriceRange | undefined): PriceLine[] =>
  PRICE_KINDS.map(([kind, name]) => ({
    ...{ name, own: prices[kind] },
    low: range?.low?.[kind] ?? null,
    median: range?.median?.[kind] ?? null,
    high: range?.high?.[kind] ?? null,
  }))

const orDash = (amount: string | null) => (amount === null ? '–' : <Money amount={amount} />)

const PRICES: readonly Column<PriceLine>[] = [
  { title: 'Price', cell: ({ name }) => name },
  { title: 'Yours', isNumber: true, cell: ({ own }) => <Money amount={own} /> },
  { title: 'Lowest of others', isNumber: true, cell: ({ low }) => orDash(low) },
  { title: 'Middle', isNumber: true, cell: ({ median }) => orDash(median) },
  { title: 'Highest', isNumber: true, cell: ({ high }) => orDash(high) },
]
