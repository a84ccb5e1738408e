// One value outside React that components follow: for what no query brings and no address says.
import { useSyncExternalStore } from 'react'

export interface Held<T> {
  get(): T
  set(next: T): void
  /** in a component: rendered again with every change */
  use(): T
}

export function held<T>(initial: T): Held<T> {
  let value = initial
  const listeners = new Set<() => void>()
  const follow = (listener: () => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  const get = () => value
  return {
    get,
    set(next) {
      value = next
      for (const listener of listeners) listener()
    },
    use: () => useSyncExternalStore(follow, get),
  }
}
