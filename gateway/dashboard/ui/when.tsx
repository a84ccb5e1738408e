// A time in the viewer's zone, in UTC on hover, at the keyboard and for programs.
import { Hint } from './hint.tsx'

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export function When({ at }: { at: string | null }) {
  if (at === null) return <span>–</span>
  const time = new Date(at)
  return (
    <Hint<HTMLTimeElement> label={utcOf(at)}>
      {(hinted) => (
        <time dateTime={at} tabIndex={0} {...hinted}>
          {LOCAL.format(time)}
        </time>
      )}
    </Hint>
  )
}

/** @example utcOf('2026-11-21T10:30:00.000Z') // '2026-11-21 10:30:00 UTC' */
export const utcOf = (at: string): string =>
  `${new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '')} UTC`
