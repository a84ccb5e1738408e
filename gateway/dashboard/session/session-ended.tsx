// Stands ready to cover a page whose session ended (session-ended-dialogue.tsx). It is fetched right after the page stands and not when it is needed: a page
// that has to be covered does not wait for a connection.
import { lazy, Suspense } from 'react'
import { pageStands } from '../ui/stands.ts'

const Dialogue = lazy(async () => {
  await pageStands()
  return { default: (await import('./session-ended-dialogue.tsx')).SessionEndedDialogue }
})

export function SessionEnded() {
  return (
    <Suspense fallback={null}>
      <Dialogue />
    </Suspense>
  )
}
