// Lists of this room by keyset: one row more is read than is shown, and where rows are in order of time a cursor is `<at>.<id>`.
import { GatewayError } from '../core/errors.ts'

export interface Page<T> {
  data: T[]
  nextCursor: string | null
}

/** @param found one row more than `rows` where there are more */
export function pageOf<Row, T>(
  found: readonly Row[],
  rows: number,
  view: (row: Row) => T,
  cursorOf: (row: Row) => string,
): Page<T> {
  const shown = found.slice(0, rows)
  const last = shown.at(-1)
  return { data: shown.map(view), nextCursor: found.length > rows && last !== undefined ? cursorOf(last) : null }
}

export interface TimedCursor {
  readonly at: number
  readonly id: string
}

export const timedCursor = ({ createdAt, id }: { createdAt: number; id: string }): string => `${createdAt}.${id}`

/** @throws GatewayError invalid_request */
export function readTimedCursor(text: string | undefined): TimedCursor | null {
  if (text === undefined) return null
  const [at = '', id = ''] = text.split(/\.(.*)/s)
  if (!/^\d{1,15}$/.test(at) || id === '') throw wrongCursor()
  return { at: Number(at), id }
}

/** @throws GatewayError invalid_request */
export function readNumberCursor(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,15}$/.test(text)) throw wrongCursor()
  return Number(text)
}

const wrongCursor = () => new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
