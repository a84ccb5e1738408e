// Money out: how much, where to, and what it means, before the wallet is asked to sign in once more.
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { OperatorSummary } from '../../../protocol/operator.ts'
import { dialogue } from '../ui/dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./withdraw-dialogue.tsx')).WithdrawDialogue)

export function Withdraw({ money }: { money: OperatorSummary['money'] }) {
  const [opened, { open, close }] = useDisclosure()
  return (
    <>
      <Button onClick={open}>Withdraw</Button>
      <Dialogue isOpen={opened} close={close} money={money} />
    </>
  )
}
