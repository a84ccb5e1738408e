// What is said to a model of words, and how it is to answer.
import { Collapse, NumberInput, SimpleGrid, Stack, Textarea, TextInput, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { Sampling } from './asked.ts'
import type { Surface } from './surface.ts'

export interface Words {
  readonly system: string
  readonly text: string
  readonly sampling: Sampling
}

const LABELS: Readonly<Record<Exclude<Surface, 'tensors'>, { label: string; description: string }>> = {
  chat: { label: 'Message', description: 'Control and Enter send it.' },
  completion: { label: 'Beginning of a text', description: 'The model goes on from here. Control and Enter send it.' },
  embeddings: { label: 'Texts', description: 'One on each line; each becomes one vector.' },
}

export function WordsForm({
  surface,
  words,
  onChange,
  onSubmit,
}: {
  surface: Exclude<Surface, 'tensors'>
  words: Words
  onChange: (words: Words) => void
  onSubmit: () => void
}) {
  return (
    <Stack>
      {surface === 'chat' && (
        <Textarea
          label="Instructions"
          description="Optional: how the model is to behave."
          autosize
          minRows={1}
          maxRows={6}
          value={words.system}
          onChange={(event) => onChange({ ...words, system: event.currentTarget.value })}
        />
      )}
      <Textarea
        {...LABELS[surface]}
        autosize
        minRows={4}
        maxRows={16}
        value={words.text}
        onChange={(event) => onChange({ ...words, text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
          event.preventDefault()
          onSubmit()
        }}
      />
      {surface !== 'embeddings' && (
        <SamplingForm sampling={words.sampling} onChange={(sampling) => onChange({ ...words, sampling })} />
      )}
    </Stack>
  )
}

function SamplingForm({ sampling, onChange }: { sampling: Sampling; onChange: (sampling: Sampling) => void }) {
  const [isOpen, { toggle }] = useDisclosure(false)
  const set = (name: keyof Sampling) => (value: string | number) => onChange({ ...sampling, [name]: String(value) })
  return (
    <Stack gap="xs">
      <NumberInput
        label="Longest answer, tokens"
        description="Empty: as long as the model may."
        min={1}
        allowDecimal={false}
        value={sampling.maxTokens}
        onChange={set('maxTokens')}
      />
      <UnstyledButton type="button" onClick={toggle} aria-expanded={isOpen} c="var(--mantine-color-anchor)" fz="sm">
        {isOpen ? 'Fewer settings' : 'More settings'}
      </UnstyledButton>
      <Collapse expanded={isOpen}>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput
            label="Temperature"
            description="0 to 2; 0 always takes the likeliest word."
            min={0}
            max={2}
            step={0.1}
            value={sampling.temperature}
            onChange={set('temperature')}
          />
          <NumberInput
            label="Top p"
            description="Above 0, up to 1."
            min={0}
            max={1}
            step={0.05}
            value={sampling.topP}
            onChange={set('topP')}
          />
          <NumberInput
            label="Seed"
            description="The same seed repeats an answer where the node can."
            allowDecimal={false}
            value={sampling.seed}
            onChange={set('seed')}
          />
          <TextInput
            label="Stop at"
            description="The answer ends before this text."
            value={sampling.stop}
            onChange={(event) => set('stop')(event.currentTarget.value)}
          />
        </SimpleGrid>
      </Collapse>
    </Stack>
  )
}
