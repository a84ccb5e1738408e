// One change of a parameter: the new value within its bounds, and why. It is based on what this page shows: when somebody changed it meanwhile, that is said
// and nothing is done.
import { Button, Group, Modal, NumberInput, Stack, Text, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { ParameterView } from '../../../protocol/parameters.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { ChangedMeanwhile, unlessChanged } from './meanwhile.tsx'
import { lockWords, WORDS, withUnit } from './parameter-words.ts'

export interface ChangeParameterProps {
  readonly isOpen: boolean
  readonly parameter: ParameterView
  readonly onClose: () => void
}

export function ChangeParameter({ isOpen, ...props }: ChangeParameterProps) {
  return (
    <Modal opened={isOpen} onClose={props.onClose} title={`Change: ${WORDS[props.parameter.name].title}`} centered>
      <Form {...props} />
    </Modal>
  )
}

/** Its own component, so that each opening begins with what holds then. */
function Form({ parameter, onClose }: Omit<ChangeParameterProps, 'isOpen'>) {
  // What the window showed when it was opened is what is changed, whatever is read meanwhile.
  const [{ name, unit, min, max, value, version, lockMs }] = useState(parameter)
  const client = useQueryClient()
  const [next, setNext] = useState<number | string>(value)
  const [reason, setReason] = useState('')
  const isNumber = typeof next === 'number' && Number.isInteger(next) && next >= min && next <= max
  const isReady = isNumber && next !== value && reason.trim() !== ''
  const change = useAction({
    run: (to: number) =>
      unlessChanged(
        read(
          api.api.admin.parameters[':name'].$put({
            param: { name },
            json: { value: to, reason: reason.trim(), version },
          }),
        ),
      ),
    say: (done) =>
      done === 'changed'
        ? null
        : done.pending === null
          ? `${WORDS[name].title} is ${withUnit(done.value, unit)} now.`
          : `${WORDS[name].title} will be ${withUnit(done.pending.value, unit)}.`,
    changes: [['admin', 'parameters']],
    then: (done) => done !== 'changed' && onClose(),
  })
  if (change.data === 'changed')
    return (
      <ChangedMeanwhile
        what="Somebody changed it meanwhile"
        onReload={() => {
          void client.invalidateQueries({ queryKey: ['admin', 'parameters'] })
          onClose()
        }}
      />
    )
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) change.mutate(next)
      }}
    >
      <Stack>
        <NumberInput
          label={unit === 'bps' ? 'New value, in basis points (hundredths of a percent)' : `New value, in ${unit}`}
          description={`From ${COUNT.format(min)} to ${COUNT.format(max)}. Now: ${withUnit(value, unit)}.`}
          required
          allowDecimal={false}
          value={next}
          error={isNumber ? undefined : `A whole number from ${min} to ${max}.`}
          onChange={setNext}
        />
        <Textarea
          label="Reason"
          description="It stands in the history and in the log."
          required
          autosize
          minRows={2}
          maxLength={200}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Text size="sm">
          {isNumber && `${WORDS[name].title}: from ${withUnit(value, unit)} to ${withUnit(next, unit)}. `}
          The change {lockWords(lockMs)}
          {lockMs > 0 && ' and can be taken back until then'}.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={change.isPending} disabled={!isReady}>
            Change it
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

const COUNT = new Intl.NumberFormat('en')
