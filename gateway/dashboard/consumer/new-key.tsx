// A key that was just made, shown once: to be copied, with code that uses it.
import type { CreatedKey } from '../../../protocol/auth.ts'
import { dialogue } from '../ui/dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./new-key-dialogue.tsx')).NewKeyDialogue)

export function NewKey({ made, onClose }: { made: CreatedKey | null; onClose: () => void }) {
  return <Dialogue isOpen={made !== null} made={made} onClose={onClose} />
}
