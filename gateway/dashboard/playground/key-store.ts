// The API key that the playground calls with. It is kept in this tab alone (sessionStorage): closing the tab forgets it, and so does signing out.
import { useSyncExternalStore } from 'react'

const NAME = 'souk.playground-key'
const listeners = new Set<() => void>()

export interface KeptKey {
  readonly key: string
  /** whose it is when it was made here; null: it was pasted */
  readonly accountId: string | null
}

export function keepKey(kept: KeptKey): void {
  sessionStorage.setItem(NAME, JSON.stringify(kept))
  for (const listener of listeners) listener()
}

export function forgetKey(): void {
  sessionStorage.removeItem(NAME)
  for (const listener of listeners) listener()
}

/** The text is the same as long as the key is, so that React can compare it. */
const read = (): string | null => sessionStorage.getItem(NAME)

/** @param accountId who is signed in: a key that was made for somebody else is not used */
export function useKeptKey(accountId: string | null): KeptKey | null {
  const text = useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, read)
  const kept = text === null ? null : parse(text)
  return kept === null || (kept.accountId !== null && kept.accountId !== accountId) ? null : kept
}

function parse(text: string): KeptKey | null {
  try {
    return JSON.parse(text) as KeptKey // only keepKey writes here
  } catch {
    return null
  }
}
