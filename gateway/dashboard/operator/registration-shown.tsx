// All that a registration says, as text: what the wallet authorises, what is sent with it, and every price.
import { Card, Stack, Text, Title } from '@mantine/core'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { OfferRequest } from '../../../protocol/node.ts'
import { usd } from '../ui/money.tsx'
import { Pairs } from '../ui/pairs.tsx'
import { Records, type Column } from '../ui/records.tsx'
import { When } from '../ui/when.tsx'
import type { UnsignedRegistration } from './registration-link.ts'

export function RegistrationShown({ request }: { request: UnsignedRegistration }) {
  return (
    <Stack>
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          What your wallet authorises
        </Title>
        <Pairs
          label="What your wallet authorises"
          pairs={[
            ['Your wallet', request.operator],
            ['Node key', request.nodeKey],
            ['Settlement key', request.settlementKey],
            ['Good until', <When key="until" at={new Date(request.deadline * 1_000).toISOString()} />],
          ]}
        />
        <Text size="sm" mt="xs">
          Compare the node key with the one in your terminal: whoever holds it serves in your name, and is paid to your
          account.
        </Text>
      </Card>
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          What is registered with it
        </Title>
        <Pairs
          label="What is registered with it"
          pairs={[
            ['Node name', request.name],
            ['Reached', request.endpoint === LINK_ENDPOINT ? 'by its own link' : `at ${request.endpoint}`],
            ['Gateway', window.location.origin],
          ]}
        />
      </Card>
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          Offers
        </Title>
        <Records caption="Offers" columns={COLUMNS} rows={request.offers} keyOf={({ model }) => model} />
        <Text size="sm" c="dimmed" mt="xs">
          Dollars per million tokens, per million bytes, and per call.
        </Text>
      </Card>
    </Stack>
  )
}

const price = (amount: string | undefined): string => (amount === undefined ? '–' : usd(amount))

const COLUMNS: readonly Column<OfferRequest>[] = [
  { title: 'Model', cell: ({ model }) => model },
  { title: 'Input', isNumber: true, cell: ({ prices }) => price(prices.inputPerMillion) },
  {
    title: 'Cached input',
    isNumber: true,
    cell: ({ prices }) => price(prices.cachedInputPerMillion ?? prices.inputPerMillion),
  },
  { title: 'Output', isNumber: true, cell: ({ prices }) => price(prices.outputPerMillion) },
  { title: 'Tensor bytes', isNumber: true, cell: ({ prices }) => price(prices.bytesPerMillion) },
  { title: 'Per call', isNumber: true, cell: ({ prices }) => price(prices.perCall) },
]
