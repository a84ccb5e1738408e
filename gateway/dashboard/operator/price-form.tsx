// New prices for one offer: what is asked now, what others ask, and what changing it here means for the node's own configuration.
import { Alert, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useState } from 'react'
import { OfferPrices, type OfferView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { usd } from '../ui/money.tsx'
import { plainUsd } from './offer-request.ts'

export const PRICE_KINDS = [
  ['inputPerMillion', 'Input, per million tokens'],
  ['cachedInputPerMillion', 'Cached input, per million tokens'],
  ['outputPerMillion', 'Output, per million tokens'],
  ['bytesPerMillion', 'Tensors, per million bytes'],
  ['perCall', 'For each call'],
] as const
type Kind = (typeof PRICE_KINDS)[number][0]
type Fields = Record<Kind, string>

export function PriceForm({
  offer,
  range,
  tag,
  save,
  isBusy,
}: {
  offer: OfferView
  range: PriceRange | undefined
  /** of what the node offers now */
  tag: string | undefined
  /** @param seen the tag when the dialogue opened: what the new prices are based on */
  save: (prices: OfferPrices, seen: string | undefined) => void
  isBusy: boolean
}) {
  const [opened, { open, close }] = useDisclosure()
  const [fields, setFields] = useState<Fields>(() => fieldsOf(offer))
  const [seen, setSeen] = useState(tag)
  const parsed = OfferPrices.safeParse(fields)
  const wrong = new Set(parsed.success ? [] : parsed.error.issues.map(({ path }) => path[0]))
  const begin = () => {
    setFields(fieldsOf(offer))
    setSeen(tag)
    open()
  }
  return (
    <>
      <Button variant="default" size="xs" onClick={begin} loading={isBusy}>
        Change prices
      </Button>
      <Modal opened={opened} onClose={close} title={`Prices of ${offer.model}`} centered>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (!parsed.success) return
            close()
            save(parsed.data, seen)
          }}
        >
          <Stack>
            {PRICE_KINDS.map(([kind, name]) => (
              <TextInput
                key={kind}
                label={`${name}, in dollars`}
                description={range?.median ? `The middle of the others: ${usd(range.median[kind])}` : undefined}
                value={fields[kind]}
                onChange={({ currentTarget: { value } }) =>
                  setFields((before) => ({ ...before, [kind]: value.trim() }))
                }
                error={wrong.has(kind) ? 'Dollars below 100000, with at most nine decimal places' : undefined}
                inputMode="decimal"
              />
            ))}
            <Alert variant="default" title="What happens">
              <Text size="sm">
                Calls that begin after this pay the new prices; those under way keep theirs. The config.json of the node
                still has its old prices, and they come back when its program tells its offers anew. To keep the new
                ones, set them there as well: <Code>souk-node price {offer.model.split('/')[1]}</Code>
              </Text>
            </Alert>
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit" disabled={!parsed.success}>
                Ask these prices
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  )
}

const fieldsOf = ({ prices }: OfferView): Fields => ({
  inputPerMillion: plainUsd(prices.inputPerMillion),
  cachedInputPerMillion: plainUsd(prices.cachedInputPerMillion),
  outputPerMillion: plainUsd(prices.outputPerMillion),
  bytesPerMillion: plainUsd(prices.bytesPerMillion),
  perCall: plainUsd(prices.perCall),
})
