// New prices for one offer: what is asked now, what others ask, and what changing it here means for the node's own configuration.
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { OfferPrices, OfferView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { dialogue } from '../ui/dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./price-dialogue.tsx')).PriceDialogue)

interface PriceFormProps {
  readonly offer: OfferView
  readonly range: PriceRange | undefined
  /** of what the node offers now */
  readonly tag: string | undefined
  /** @param seen the tag when the dialogue opened: what the new prices are based on */
  readonly save: (prices: OfferPrices, seen: string | undefined) => void
  readonly isBusy: boolean
}

export function PriceForm({ isBusy, ...props }: PriceFormProps) {
  const [opened, { open, close }] = useDisclosure()
  return (
    <>
      <Button variant="default" size="xs" onClick={open} loading={isBusy}>
        Change prices
      </Button>
      <Dialogue isOpen={opened} close={close} {...props} />
    </>
  )
}
