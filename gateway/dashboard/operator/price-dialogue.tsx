// The dialogue in which an operator asks new prices for one offer (price-form.tsx).
import { Alert, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { OfferPrices, type OfferView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { usd } from '../ui/money.tsx'
import { plainUsd } from './offer-request.ts'
import { PRICE_KINDS, type PriceKind } from './price-kinds.ts'

type Fields = Record<PriceKind, string>

export interface PriceDialogueProps {
  readonly isOpen: boolean
  readonly close: () => void
  readonly offer: OfferView
  readonly range: PriceRange | undefined
  /** of what the node offers now */
  readonly tag: string | undefined
  /** @param seen the tag when the dialogue opened: what the new prices are based on */
  readonly save: (prices: OfferPrices, seen: string | undefined) => void
}

export function PriceDialogue({ isOpen, ...props }: PriceDialogueProps) {
  return (
    <Modal opened={isOpen} onClose={props.close} title={`Prices of ${props.offer.model}`} centered>
      <Form {...props} />
    </Modal>
  )
}

/** Its own component, so that each opening begins with the prices of now. */
function Form({ close, offer, range, tag, save }: Omit<PriceDialogueProps, 'isOpen'>) {
  const [fields, setFields] = useState<Fields>(() => fieldsOf(offer))
  const [seen] = useState(tag)
  const parsed = OfferPrices.safeParse(fields)
  const wrong = new Set(parsed.success ? [] : parsed.error.issues.map(({ path }) => path[0]))
  return (
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
            onChange={({ currentTarget: { value } }) => setFields((before) => ({ ...before, [kind]: value.trim() }))}
            error={wrong.has(kind) ? 'Dollars below 100000, with at most nine decimal places' : undefined}
            inputMode="decimal"
          />
        ))}
        <Alert variant="default" title="What happens">
          <Text size="sm">
            Calls that begin after this pay the new prices; those under way keep theirs. The config.json of the node
            still has its old prices, and they come back when its program tells its offers anew. To keep the new ones,
            set them there as well: <Code>souk-node price {offer.model.split('/')[1]}</Code>
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
  )
}

const fieldsOf = ({ prices }: OfferView): Fields => ({
  inputPerMillion: plainUsd(prices.inputPerMillion),
  cachedInputPerMillion: plainUsd(prices.cachedInputPerMillion),
  outputPerMillion: plainUsd(prices.outputPerMillion),
  bytesPerMillion: plainUsd(prices.bytesPerMillion),
  perCall: plainUsd(prices.perCall),
})
