// A change of a model's state by its author: which state, why, and what to use instead; asked once more with what it does to others' calls.
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { ModelView } from '../../../protocol/publish.ts'
import { dialogue } from '../ui/dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./state-dialogue.tsx')).StateDialogue)

export function StateForm({ model }: { model: ModelView }) {
  const [opened, { open, close }] = useDisclosure()
  return (
    <>
      <Button variant="default" onClick={open}>
        Change its state
      </Button>
      <Dialogue isOpen={opened} model={model} close={close} />
    </>
  )
}
