// The form of one model and one kind of call, and beside it what came of it. What is sent is `asked.body`, to the letter; the code repeats it.
import { Button, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { lazy, Suspense, useCallback, useMemo, useState } from 'react'
import type { ModelView } from '../../../protocol/openai.ts'
import { Loading } from '../ui/state.tsx'
import { Answer } from './answer.tsx'
import { askedOf, NO_SAMPLING, NO_TENSORS, NO_WISHES, type Form, type Turn } from './asked.ts'
import { CodePanel } from './code-panel.tsx'
import { Quote } from './quote.tsx'
import type { Surface } from './surface.ts'
import { useRun, type Run } from './use-run.ts'
import { WishesForm } from './wishes-form.tsx'
import { WordsForm, type Words } from './words-form.tsx'

// What reads tensors is large, and most models take words.
const TensorsForm = lazy(async () => ({ default: (await import('./tensors-form.tsx')).TensorsForm }))

const NO_WORDS: Words = { system: '', text: '', sampling: NO_SAMPLING }

export function Bench({ model, surface, apiKey }: { model: ModelView; surface: Surface; apiKey: string | null }) {
  const [words, setWords] = useState(NO_WORDS)
  const [turns, setTurns] = useState<readonly Turn[]>([])
  const [tensors, setTensors] = useState(NO_TENSORS)
  const [wishes, setWishes] = useState(NO_WISHES)
  const onDone = useCallback((done: Run) => {
    if (done.asked.surface === 'chat') setTurns((before) => [...before, { role: 'assistant', content: done.text }])
  }, [])
  const { run, start, stop, forget } = useRun(onDone)

  const draft = useMemo(() => {
    const form: Form = { surface, model: model.id, turns: answered(turns), tensors, wishes, ...words }
    return askedOf(form)
  }, [surface, model.id, turns, tensors, wishes, words])
  const isRunning = run?.phase === 'waiting' || run?.phase === 'answering'
  const canSend = draft.ok && apiKey !== null && !isRunning

  const sendNow = () => {
    if (!draft.ok || apiKey === null || isRunning) return
    if (surface === 'chat') {
      setTurns([...answered(turns), { role: 'user', content: words.text }])
      setWords({ ...words, text: '' })
    }
    void start(draft.asked, apiKey)
  }
  const again = () => {
    setTurns([])
    forget()
  }

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Card withBorder component="section" aria-label="Your request">
        <form
          onSubmit={(event) => {
            event.preventDefault()
            sendNow()
          }}
        >
          <Stack>
            {surface === 'tensors' ? (
              <Suspense fallback={<Loading />}>
                <TensorsForm model={model.id} onMade={setTensors} />
              </Suspense>
            ) : (
              <WordsForm surface={surface} words={words} onChange={setWords} onSubmit={sendNow} />
            )}
            <WishesForm surface={surface} wishes={wishes} onChange={setWishes} />
            <Quote asked={draft.ok ? draft.asked : null} apiKey={apiKey} />
            <Group>
              {isRunning ? (
                <Button type="button" color="red" onClick={stop}>
                  Stop
                </Button>
              ) : (
                <Button type="submit" disabled={!canSend}>
                  Send
                </Button>
              )}
              {turns.length > 0 && !isRunning && (
                <Button variant="default" onClick={again}>
                  New conversation
                </Button>
              )}
              <Text size="sm" c="dimmed">
                {apiKey === null ? 'Choose an API key first.' : draft.ok || isRunning ? '' : draft.why}
              </Text>
            </Group>
          </Stack>
        </form>
      </Card>
      <Stack>
        <Answer turns={turns} run={run} />
        <CodePanel asked={(draft.ok ? draft.asked : null) ?? run?.asked ?? null} />
      </Stack>
    </SimpleGrid>
  )
}

/** A question that was never answered is not part of the conversation. */
function answered(turns: readonly Turn[]): readonly Turn[] {
  return turns.at(-1)?.role === 'user' ? turns.slice(0, -1) : turns
}
