// A page that needs a signature asks which wallet is to give it. `askSigner` opens a dialogue and waits; `AskSigner` stands once, in the frame.
import { held } from '../data/held.ts'
import { dialogue } from '../ui/dialogue.tsx'
import type { Signer } from './signer.ts'
import { WalletRefused } from './wallet-refused.ts'

const Dialogue = dialogue(async () => (await import('./ask-signer-dialogue.tsx')).AskSignerDialogue)

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

/** The dialogue; stands once, in the frame. */
export function AskSigner() {
  const wanted = waiting.use()
  const end = (signer: Signer | null) => {
    waiting.set(null)
    wanted?.answer(signer)
  }
  return <Dialogue isOpen={wanted !== null} why={wanted?.why ?? ''} onEnd={end} />
}
