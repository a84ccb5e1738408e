// The dialogue in which an operator asks new prices for one offer (price-form.tsx).
import { Alert, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { OfferPrices, OfferView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { usd } from '../ui/money.tsx'
import { TypedMeanwhile } from '../ui/typed-meanwhile.tsx'
import { plainUsd } from './offer-request.ts'
import { priceMaxWords, readPriceDraft, type PriceFields } from './price-draft.ts'
import { PRICE_KINDS } from './price-kinds.ts'

export interface PriceDialogueProps {
  readonly isOpen: boolean
  readonly close: () => void
  readonly offer: OfferView
  readonly range: PriceRange | undefined
  /** of what the node offers now */
  readonly tag: string | undefined
  readonly isBusy: boolean
  readonly save: SavePrices
}

/**
 * @param seen the tag that the new prices are based on
 * @param saved told when they hold; of a refusal somebody else tells, and what was typed stays
 */
export type SavePrices = (prices: OfferPrices, seen: string | undefined, saved: () => void) => void

export function PriceDialogue({ isOpen, ...props }: PriceDialogueProps) {
  return (
    <Modal opened={isOpen} onClose={props.close} title={`Prices of ${props.offer.model}`} centered>
      <Form {...props} />
    </Modal>
  )
}

/** Its own component, so that each opening begins with the prices of now. */
function Form({ close, offer, range, tag, isBusy, save }: Omit<PriceDialogueProps, 'isOpen'>) {
  const [before] = useState<PriceFields>(() => fieldsOf(offer))
  const [fields, setFields] = useState(before)
  const [seen, setSeen] = useState(tag)
  const { prices, wrong } = readPriceDraft(fields)
  const isOlder = seen !== tag
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (prices !== null && !isOlder && !isBusy) save(prices, seen, close)
      }}
    >
      <Stack>
        {PRICE_KINDS.map(([kind, name]) => (
          <TextInput
            key={kind}
            label={`${name}, in dollars`}
            description={`${priceMaxWords(kind)}.${range?.median ? ` The middle of the others: ${usd(range.median[kind])}` : ''}`}
            value={fields[kind]}
            onChange={({ currentTarget: { value } }) => setFields((typed) => ({ ...typed, [kind]: value.trim() }))}
            error={wrong[kind]}
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
        {isOlder && (
          <TypedMeanwhile
            title="The offers of this node were changed meanwhile"
            now={changeWords(before, fieldsOf(offer))}
            onGoOn={() => setSeen(tag)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={isBusy} disabled={prices === null || isOlder}>
            Ask these prices
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** @example 'It asks now: For each call: $0.01.' */
function changeWords(before: PriceFields, now: PriceFields): string {
  const others = PRICE_KINDS.filter(([kind]) => now[kind] !== before[kind])
  if (others.length === 0) return 'The prices of this offer are what they were.'
  return `It asks now: ${others.map(([kind, name]) => `${name}: ${usd(now[kind])}`).join('; ')}.`
}

const fieldsOf = ({ prices }: OfferView): PriceFields => ({
  inputPerMillion: plainUsd(prices.inputPerMillion),
  cachedInputPerMillion: plainUsd(prices.cachedInputPerMillion),
  outputPerMillion: plainUsd(prices.outputPerMillion),
  bytesPerMillion: plainUsd(prices.bytesPerMillion),
  perCall: plainUsd(prices.perCall),
})
