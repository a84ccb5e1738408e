// A time in the viewer's zone, in UTC on hover and for programs.
import { Tooltip } from '@mantine/core'

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export function When({ at }: { at: string | null }) {
  if (at === null) return <span>–</span>
  const time = new Date(at)
  return (
    <Tooltip
      label={`${time
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, '')} UTC`}
    >
      <time dateTime={at} tabIndex={0}>
        {LOCAL.format(time)}
      </time>
    </Tooltip>
  )
}
