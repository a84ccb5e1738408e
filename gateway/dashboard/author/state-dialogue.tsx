// The dialogue in which an author changes the state of a model (state-form.tsx).
import { Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { ModelStateRequest, type ModelView } from '../../../protocol/publish.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { modelParts } from '../operator/node-queries.ts'
import { MODEL_STATE_WORDS } from './model-state.tsx'

const STATES = ['active', 'deprecated', 'withdrawn'] as const

export interface StateDialogueProps {
  readonly isOpen: boolean
  readonly model: ModelView
  readonly close: () => void
}

export function StateDialogue({ isOpen, model, close }: StateDialogueProps) {
  return (
    <Modal opened={isOpen} onClose={close} title={`State of ${model.id}`} centered>
      <Form model={model} close={close} />
    </Modal>
  )
}

/** Its own component, so that each opening begins anew. */
function Form({ model, close }: Omit<StateDialogueProps, 'isOpen'>) {
  const [state, setState] = useState(() => STATES.find((one) => one !== model.state) ?? 'active')
  const [reason, setReason] = useState('')
  const [replacedBy, setReplacedBy] = useState('')
  /** of the model as it stood when the dialogue opened */
  const [seen] = useState(model.stateAt)
  const change = useAction({
    run: (json: ModelStateRequest) =>
      read(api.api.models[':author'][':name'].state.$put({ param: modelParts(model.id), json })),
    say: (changed) => `${changed.id} is ${changed.state}.`,
    changes: [['model', model.id], ['author']],
    then: close,
    whenChanged: close,
  })
  const request = {
    ...{ state, seen },
    ...(state === 'active' || reason.trim() === '' ? {} : { reason: reason.trim() }),
    ...(state === 'active' || replacedBy.trim() === '' ? {} : { replacedBy: replacedBy.trim() }),
  }
  const isRight = ModelStateRequest.safeParse(request).success
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isRight) change.mutate(request)
      }}
    >
      <Stack>
        <Select
          label="New state"
          data={STATES.filter((one) => one !== model.state)}
          value={state}
          allowDeselect={false}
          onChange={(value) => setState(STATES.find((one) => one === value) ?? state)}
        />
        <Text size="sm">
          {MODEL_STATE_WORDS[state]} Calls under way are finished. You can change it back. Your wallet signs in once
          more for this.
        </Text>
        {state !== 'active' && (
          <>
            <TextInput
              label="Why, for callers and operators"
              description="One line. Everybody sees it."
              value={reason}
              maxLength={500}
              onChange={({ currentTarget: { value } }) => setReason(value)}
            />
            <TextInput
              label="What to use instead"
              description="The name of an active model that does the same, author/name"
              value={replacedBy}
              onChange={({ currentTarget: { value } }) => setReplacedBy(value)}
            />
          </>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" color="red" disabled={!isRight} loading={change.isPending}>
            Make it {state}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
