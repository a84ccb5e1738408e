// What is told in passing, in the corner. Who tells says whether it has to be read: then it stays until it is closed, since nobody can say how long somebody
// needs (WCAG 2.2.1). The newest stands on top, so that it is seen however many wait below; what is told again is the same notice once more, with a count.
import { notifications, notificationsStore } from '@mantine/notifications'

export interface Notice {
  readonly message: string
  readonly title?: string
  readonly color?: 'teal' | 'orange' | 'red'
  /** stays until it is closed */
  readonly isKept?: boolean
  /** what makes it the same as one that stands there; absent: its message */
  readonly sameAs?: string
}

/** how many were told: a later one stands above it */
let told = 0
/** the last one of each text; whether it still stands there, the corner knows */
const last = new Map<string, { readonly id: string; readonly times: number }>()

export function tell(notice: Notice, store = notificationsStore): void {
  const { message, title, color, isKept = false, sameAs = message } = notice
  const same = JSON.stringify([title, sameAs])
  const priority = ++told
  notifications.updateState(store, (all) => {
    const known = last.get(same)
    const before = all.find(({ id }) => id !== undefined && id === known?.id)
    const times = before && known ? known.times + 1 : 1
    // One that has to be read stays the same one, under the pointer and the keyboard; one that goes by itself begins its time anew.
    const id = before?.id !== undefined && isKept ? before.id : `notice-${priority}`
    last.set(same, { id, times })
    const again = {
      ...{ id, message, color, priority },
      title: isKept && times > 1 ? `${title ?? 'Said again'} (${times} times)` : title,
      closeButtonProps: { 'aria-label': 'Close this notice' },
      ...(isKept && { autoClose: false }),
    }
    return [...all.filter((other) => other !== before), again]
  })
}
