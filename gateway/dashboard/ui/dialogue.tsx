// Dialogues are fetched when they are first opened, so that no page carries in its first load what most visits never ask for.
import { lazy, Suspense, useEffect, useState, type ComponentType } from 'react'
import { whileLeaving, type Opened } from './dialogue-words.ts'

/** @param fetch brings the dialogue; what it is made of stands in a file of its own, which nothing else imports */
export function dialogue<Props extends Opened>(fetch: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const Fetched = lazy(async () => ({ default: openedAfterMount(await fetch()) }))
  return function Dialogue(props: Props) {
    /** as it was last seen open; null: never yet */
    const [seen, setSeen] = useState<Props | null>(null)
    // It stays from then on, so that it can leave as it came.
    if (props.isOpen && seen !== props) setSeen(props)
    if (seen === null) return null
    return (
      <Suspense fallback={null}>
        <Fetched {...(props.isOpen ? props : whileLeaving(seen, props))} />
      </Suspense>
    )
  }
}

/** A dialogue that is open from its first moment does not know where the keyboard was, and could not bring it back there. */
function openedAfterMount<Props extends Opened>(Inner: ComponentType<Props>): ComponentType<Props> {
  return function Opening(props: Props) {
    const [isMounted, setIsMounted] = useState(false)
    useEffect(() => setIsMounted(true), [])
    return <Inner {...props} isOpen={isMounted && props.isOpen} />
  }
}
