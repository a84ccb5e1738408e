// Every model that nodes of the account offer: on how many of them, under which licence, at which prices beside the others, and who else serves it.
import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { EndpointView } from '../../../protocol/endpoints.ts'
import type { OfferView } from '../../../protocol/node.ts'
import type { OperatorSummary } from '../../../protocol/operator.ts'
import { LinkButton, TextLink } from '../ui/links.tsx'
import { Money } from '../ui/money.tsx'
import { Records, type Column } from '../ui/records.tsx'
import { Empty, Failed, Loaded, Loading, Page } from '../ui/state.tsx'
import { Licence } from './licence.tsx'
import { ModelLink } from './model-link.tsx'
import { RuleOf, Rules } from './model-rules.tsx'
import { endpointsQuery, modelQuery, summaryQuery } from './node-queries.ts'
import { count, ms, share, StateBadge } from './node-state.tsx'

interface Offered {
  readonly node: OperatorSummary['data'][number]['node']
  readonly offer: OfferView
}

export function ServingPage() {
  const query = useInfiniteQuery(summaryQuery)
  const nodes = query.data?.pages.flatMap(({ data }) => data) ?? []
  const models = byModel(nodes)
  return (
    <Page title="Models you serve" intro="What your nodes offer, and where each offer stands in the market.">
      {query.data === undefined &&
        (query.isError ? <Failed error={query.error} again={() => void query.refetch()} /> : <Loading />)}
      {query.data !== undefined && models.length === 0 && (
        <Card withBorder>
          <Empty title="None of your nodes offers a model">
            <Text>A node offers the models of its configuration, once it is registered.</Text>
            <LinkButton to="/nodes" variant="default">
              Your nodes
            </LinkButton>
          </Empty>
        </Card>
      )}
      {models.map(([model, offered]) => (
        <ServedModel key={model} id={model} offered={offered} />
      ))}
      {query.data !== undefined && <Rules />}
      {query.hasNextPage && (
        <Card withBorder>
          <TextLink to="/nodes">There are more nodes than are counted here: see them all</TextLink>
        </Card>
      )}
    </Page>
  )
}

function byModel(nodes: OperatorSummary['data']): (readonly [string, Offered[]])[] {
  const models = new Map<string, Offered[]>()
  for (const { node } of nodes)
    for (const offer of node.offers) models.set(offer.model, [...(models.get(offer.model) ?? []), { node, offer }])
  return [...models].sort(([a], [b]) => (a < b ? -1 : 1))
}

function ServedModel({ id, offered }: { id: string; offered: readonly Offered[] }) {
  const model = useQuery(modelQuery(id))
  const endpoints = useQuery(endpointsQuery(id))
  const own = new Set(offered.map(({ node }) => node.id))
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="xs">
            <Title order={2} size="h4" style={{ overflowWrap: 'anywhere' }}>
              <ModelLink id={id} />
            </Title>
            {model.data && model.data.state !== 'active' && (
              <Badge variant="dot" color="orange" tt="none" fw={500}>
                {model.data.state}
              </Badge>
            )}
          </Group>
          <RuleOf model={id} />
        </Group>
        <Loaded query={model} rows={1}>
          {({ manifest, royaltyBps, reason }) => (
            <Text size="sm">
              Licence: <Licence expression={manifest.licence} />. Its author takes {royaltyBps / 100} % of each call.
              {reason === null ? '' : ` ${reason}`}
            </Text>
          )}
        </Loaded>
        <Records caption={`Your offers of ${id}`} columns={OWN} rows={offered} keyOf={({ node }) => node.id} />
        <Title order={3} size="h5">
          Who else serves it
        </Title>
        <Loaded query={endpoints} rows={2}>
          {({ data }) => <Others endpoints={data.endpoints.filter(({ node }) => !own.has(node))} model={id} />}
        </Loaded>
      </Stack>
    </Card>
  )
}

/** others that are listed: the model's public page has them all */
const OTHERS_SHOWN = 10

function Others({ endpoints, model }: { endpoints: readonly EndpointView[]; model: string }) {
  if (endpoints.length === 0) return <Text size="sm">Nobody else now: every call for it is for your nodes.</Text>
  return (
    <>
      <Records
        caption={`Who else serves ${model}`}
        columns={OTHERS}
        rows={endpoints.slice(0, OTHERS_SHOWN)}
        keyOf={({ node }) => node}
      />
      {endpoints.length > OTHERS_SHOWN && (
        <Text size="sm" c="dimmed">
          And {count(endpoints.length - OTHERS_SHOWN)} more.
        </Text>
      )}
    </>
  )
}

const OWN: readonly Column<Offered>[] = [
  {
    title: 'Your node',
    cell: ({ node }) => (
      <TextLink inherit to="/nodes/$nodeId" params={{ nodeId: node.id }} search={{ view: 'offers' }}>
        {node.name}
      </TextLink>
    ),
  },
  { title: 'Offer', cell: ({ offer }) => offer.state },
  { title: 'Per million input', isNumber: true, cell: ({ offer }) => <Money amount={offer.prices.inputPerMillion} /> },
  {
    title: 'Per million output',
    isNumber: true,
    cell: ({ offer }) => <Money amount={offer.prices.outputPerMillion} />,
  },
  { title: 'Per million bytes', isNumber: true, cell: ({ offer }) => <Money amount={offer.prices.bytesPerMillion} /> },
  { title: 'Per call', isNumber: true, cell: ({ offer }) => <Money amount={offer.prices.perCall} /> },
]

export const OTHERS: readonly Column<EndpointView>[] = [
  { title: 'Node', cell: ({ name, node }) => <span title={node}>{name}</span> },
  { title: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { title: 'Where', cell: ({ region }) => region ?? 'not known' },
  { title: 'Per million input', isNumber: true, cell: ({ prices }) => <Money amount={prices.inputPerMillion} /> },
  { title: 'Per million output', isNumber: true, cell: ({ prices }) => <Money amount={prices.outputPerMillion} /> },
  { title: 'Per million bytes', isNumber: true, cell: ({ prices }) => <Money amount={prices.bytesPerMillion} /> },
  { title: 'Per call', isNumber: true, cell: ({ prices }) => <Money amount={prices.perCall} /> },
  { title: 'Succeeds', isNumber: true, cell: ({ success }) => share(success) },
  {
    title: 'First token, half within',
    isNumber: true,
    cell: ({ windows }) => ms(windows?.d1.firstTokenMs?.p50),
  },
]
