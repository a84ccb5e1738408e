// New prices for one offer: what is asked now, what others ask, and what changing it here means for the node's own configuration.
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { OfferView } from '../../../protocol/node.ts'
import type { PriceRange } from '../../../protocol/operator.ts'
import { dialogue } from '../ui/dialogue.tsx'
import type { SavePrices } from './price-dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./price-dialogue.tsx')).PriceDialogue)

interface PriceFormProps {
  readonly offer: OfferView
  readonly range: PriceRange | undefined
  /** of what the node offers now */
  readonly tag: string | undefined
  readonly save: SavePrices
  readonly isBusy: boolean
}

export function PriceForm(props: PriceFormProps) {
  const [opened, { open, close }] = useDisclosure()
  return (
    <>
      <Button variant="default" size="xs" onClick={open} loading={props.isBusy && !opened}>
        Change prices
      </Button>
      <Dialogue isOpen={opened} close={close} {...props} />
    </>
  )
}
