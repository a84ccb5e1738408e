// What a dialogue says while it leaves: it fades for a moment after it was closed, and whoever still looks at it reads what they have just answered, not what
// the page behind it has become.

/** What every dialogue is told. */
export interface Opened {
  readonly isOpen: boolean
}

/**
 * The words of when it was open, with the deeds of now: a button that is pressed once more in that moment finds what it was about gone.
 * @param seen as it was last open
 */
export function whileLeaving<Props extends Opened>(seen: Props, now: Props): Props {
  const deeds = Object.entries(now).filter(([, value]) => typeof value === 'function')
  return { ...seen, ...Object.fromEntries(deeds), isOpen: false }
}
