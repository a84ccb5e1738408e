// The dialogue in which somebody chooses the wallet that is to sign (ask-signer.tsx).
import { Modal, Stack, Text } from '@mantine/core'
import { WALLET_LAYER } from './layers.ts'
import type { Signer } from './signer.ts'
import { WalletChoice } from './wallet-choice.tsx'

export interface AskSignerProps {
  readonly isOpen: boolean
  readonly why: string
  readonly onEnd: (signer: Signer | null) => void
}

export function AskSignerDialogue({ isOpen, why, onEnd }: AskSignerProps) {
  return (
    <Modal opened={isOpen} onClose={() => onEnd(null)} zIndex={WALLET_LAYER} title="Which wallet signs?" centered>
      <Stack>
        <Text size="sm">{why}</Text>
        <WalletChoice verb="Sign" mayCreate={false} onChosen={async (signer) => onEnd(signer)} />
      </Stack>
    </Modal>
  )
}
