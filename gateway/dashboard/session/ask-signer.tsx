// A page that needs a signature asks which wallet is to give it. `askSigner` opens a dialogue and waits; `AskSigner` stands once, in main.tsx.
import { Modal, Stack, Text } from '@mantine/core'
import { lazy, Suspense } from 'react'
import { held } from '../data/held.ts'
import { Loading } from '../ui/state.tsx'
import { WALLET_LAYER } from './layers.ts'
import type { Signer } from './signer.ts'
import { WalletRefused } from './wallet-refused.ts'

const WalletChoice = lazy(async () => ({ default: (await import('./wallet-choice.tsx')).WalletChoice }))

interface Wanted {
  /** what will be signed and what comes of it, in one or two sentences */
  readonly why: string
  readonly answer: (signer: Signer | null) => void
}
const waiting = held<Wanted | null>(null)

/**
 * @param why what will be signed and what comes of it, in one or two sentences
 * @throws WalletRefused when the dialogue was closed
 */
export async function askSigner(why: string): Promise<Signer> {
  const signer = await new Promise<Signer | null>((answer) => waiting.set({ why, answer }))
  if (signer === null) throw new WalletRefused('No wallet was chosen. Nothing was signed.')
  return signer
}

export function AskSigner() {
  const wanted = waiting.use()
  const end = (signer: Signer | null) => {
    waiting.set(null)
    wanted?.answer(signer)
  }
  return (
    <Modal
      opened={wanted !== null}
      onClose={() => end(null)}
      zIndex={WALLET_LAYER}
      title="Which wallet signs?"
      centered
    >
      <Stack>
        <Text size="sm">{wanted?.why}</Text>
        <Suspense fallback={<Loading rows={2} />}>
          <WalletChoice verb="Sign" mayCreate={false} onChosen={async (signer) => end(signer)} />
        </Suspense>
      </Stack>
    </Modal>
  )
}
