// When a cron of wrangler.toml is due: Cloudflare's five fields in UTC, with 1 = Sunday. A rule; the timer is the gateway's.
// `L`, `W` and `#` are refused by name, because a cron that silently never runs is worse than none.
import { ExpectedFailure } from './expected.ts'

interface Field {
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 1, max: 7, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
]

/** Seconds do not count. @example isDue('0,30 6 * * *', new Date('2026-01-01T06:30:59Z')) // true */
export function isDue(cron: string, at: Date): boolean {
  const fields = cron.trim().split(/\s+/)
  if (fields.length !== FIELDS.length) throw unreadable(cron)
  const values = [at.getUTCMinutes(), at.getUTCHours(), at.getUTCDate(), at.getUTCMonth() + 1, at.getUTCDay() + 1]
  const [minute, hour, day, month, weekday] = FIELDS.map((field, i) =>
    (fields[i] ?? '').split(',').some((part) => includes(part, field, values[i] ?? -1, cron)),
  )
  // cron(5): when both day fields are restricted, either one is enough.
  const isEitherDay = fields[2] !== '*' && fields[4] !== '*'
  const isDay = isEitherDay ? day || weekday : day && weekday
  return Boolean(minute && hour && month && isDay)
}

function includes(part: string, field: Field, value: number, cron: string): boolean {
  const match = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part)
  if (!match) throw unreadable(cron)
  const [, from, to, step] = match
  const first = from === undefined ? field.min : number(from, field, cron)
  const last = to !== undefined ? number(to, field, cron) : from === undefined || step !== undefined ? field.max : first
  const every = step === undefined ? 1 : Number(step)
  if (every < 1 || first > last) throw unreadable(cron)
  return value >= first && value <= last && (value - first) % every === 0
}

function number(text: string, field: Field, cron: string): number {
  const named = field.names.indexOf(text.toUpperCase())
  const value = named >= 0 ? named + field.min : Number(text)
  if (!Number.isInteger(value) || value < field.min || value > field.max) throw unreadable(cron)
  return value
}

const unreadable = (cron: string) => new ExpectedFailure(`The cron "${cron}" in wrangler.toml cannot be read.`)
