// The dialogue in which a wallet signs in once more, before something dangerous (fresh-sign-in.tsx).
import { Modal, Stack, Text } from '@mantine/core'
import { WALLET_LAYER } from './layers.ts'
import { SignInPanel } from './sign-in-panel.tsx'

export interface FreshSignInProps {
  readonly isOpen: boolean
  readonly onEnd: (isSigned: boolean) => void
}

export function FreshSignInDialogue({ isOpen, onEnd }: FreshSignInProps) {
  return (
    <Modal opened={isOpen} onClose={() => onEnd(false)} zIndex={WALLET_LAYER} title="Sign once more" centered>
      <Stack>
        <Text>
          This moves money or rights, so your wallet is asked to sign in again. You stay signed in, and the page stays
          as it is.
        </Text>
        <SignInPanel isFresh onSignedIn={() => onEnd(true)} />
      </Stack>
    </Modal>
  )
}
