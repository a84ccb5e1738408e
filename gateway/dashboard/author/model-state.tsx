// A model's state, and what each means for callers and operators.
import { Badge } from '@mantine/core'
import type { ModelState as State } from '../../../protocol/publish.ts'

const COLOURS: Readonly<Record<State, string>> = {
  active: 'green',
  deprecated: 'yellow',
  withdrawn: 'gray',
  blocked: 'red',
}

export function ModelState({ state }: { state: State }) {
  return (
    <Badge variant="dot" color={COLOURS[state]} tt="none" fw={500} miw="max-content">
      {state}
    </Badge>
  )
}

export const MODEL_STATE_WORDS: Readonly<Record<State, string>> = {
  active: 'Callers may use it and operators may offer it.',
  deprecated:
    'It is served, and every answer tells callers that it is going away, and what to use instead if you say so.',
  withdrawn: 'It is served to nobody: calls of it are refused from now on, and nodes are told to unload it.',
  blocked: 'The house has blocked it: it is served to nobody. Only the house lifts that.',
}
