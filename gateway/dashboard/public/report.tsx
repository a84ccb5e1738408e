// Telling the house that something is wrong with a model or a node: what it is, and why.
import { Button, Group, Modal, Select, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { useAccount } from '../session/session.ts'

const KINDS = [
  { value: 'illegal', label: 'It is against the law' },
  { value: 'copyright', label: 'It infringes somebody’s rights' },
  { value: 'malicious', label: 'It does harm' },
  { value: 'impersonation', label: 'It pretends to be somebody else’s' },
  { value: 'other', label: 'Something else' },
] as const
type Kind = (typeof KINDS)[number]['value']

const WORDS_MAX = 1000

interface Reported {
  readonly about: 'model' | 'node'
  readonly id: string
  /** how it is called; anybody's text */
  readonly name: string
}

/** A button that opens the dialogue; for who is signed in, since reports have a sender. */
export function ReportButton(reported: Reported) {
  const account = useAccount()
  const [isOpen, setIsOpen] = useState(false)
  if (!account) return null
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={() => setIsOpen(true)}>
        Report
      </Button>
      <Modal opened={isOpen} onClose={() => setIsOpen(false)} title={`Report this ${reported.about}`} centered>
        <ReportForm {...reported} onClose={() => setIsOpen(false)} />
      </Modal>
    </>
  )
}

function ReportForm({ about, id, name, onClose }: Reported & { onClose: () => void }) {
  const [kind, setKind] = useState<Kind | null>(null)
  const [words, setWords] = useState('')
  const report = useAction({
    run: (chosen: Kind) => read(api.api.reports.$post({ json: { about, id, kind: chosen, words } })),
    say: () => 'Your report was sent. The house looks at it.',
    then: onClose,
  })
  const isReady = kind !== null && words.trim() !== ''
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady && !report.isPending) report.mutate(kind)
      }}
    >
      <Stack>
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          About <bdi>{name}</bdi>. The house reads it, together with your account’s id.
        </Text>
        <Select label="What is wrong" required data={[...KINDS]} value={kind} onChange={setKind} />
        <Textarea
          label="Why you think so"
          required
          autosize
          minRows={3}
          maxRows={10}
          maxLength={WORDS_MAX}
          value={words}
          onChange={({ currentTarget: { value } }) => setWords(value)}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={!isReady} loading={report.isPending}>
            Send the report
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
