// Sixty-five days before today for the README's pictures: what was called in the last hour, many times over, more by day than by night and more each week.
// Written as the hourly sums of the book; their totals are then made by the product's own statements. Nobody's balance changes: these calls were never made.
import { z } from 'zod'
import { DAY_MS, HOUR_MS, monthOf, nextMonth } from '../../gateway/ledger/metering/ranges.ts'
import { setTotalsSql, SUM_COLUMNS } from '../../gateway/ledger/metering/totals-sql.ts'
import type { Market } from '../support/market.ts'

const DAYS = 65
const NOON = 12 * HOUR_MS
const BOOK = 'BOOK_0'
const Hour = z.object({ account_id: z.string(), key_id: z.string(), model_id: z.string(), node_id: z.string() })
const HourSums = z.record(z.enum(SUM_COLUMNS), z.number())
const Latency = z.object({ cut: z.number(), model_id: z.string(), node_id: z.string(), counts: z.string() })

/** @param now ms; the past ends with the hour before it */
export async function writePast(market: Market, now: number): Promise<void> {
  const found = await market.query(
    BOOK,
    `SELECT account_id, key_id, model_id, node_id, ${SUM_COLUMNS.join(', ')} FROM rollups_hour`,
  )
  const rows = found.map(({ account_id, key_id, model_id, node_id, ...sums }) => ({
    ids: Object.values(Hour.parse({ account_id, key_id, model_id, node_id })),
    sums: HourSums.parse(sums),
  }))
  const times = z.array(Latency).parse(await market.query(BOOK, `SELECT * FROM latencies WHERE step = 'hour'`))
  const today = now - (now % DAY_MS)
  for (let day = today - DAYS * DAY_MS; day <= today; day += DAY_MS) {
    const hours = Array.from({ length: 24 }, (_, n) => day + n * HOUR_MS).filter((hour) => hour < now - (now % HOUR_MS))
    const booked = hours.flatMap((hour) =>
      rows.map(({ ids, sums }, n) => {
        const often = busy(hour, today, n)
        const errors = Math.round(often * sums.calls * 0.012 * (0.3 + drawn(hour / HOUR_MS, n + 40)))
        return [
          hour,
          ...ids,
          ...SUM_COLUMNS.map((name) => (name === 'errors' ? errors : Math.round(sums[name] * often))),
        ]
      }),
    )
    await insert(
      market,
      'rollups_hour',
      ['hour', 'account_id', 'key_id', 'model_id', 'node_id', ...SUM_COLUMNS].join(', '),
      booked,
    )
    for (const { sql, values } of setTotalsSql(day, { from: monthOf(day), to: nextMonth(day) }))
      if (!sql.includes('INTO latencies')) await market.query(BOOK, sql, ...values)
    const timed = hours.flatMap((hour) => times.map((row) => ['hour', ...keyOf(row), hour, counted(row, hour, today)]))
    const ofDay = times.map((row) => ['day', ...keyOf(row), day, counted(row, day + NOON, today)])
    await insert(market, 'latencies', 'step, cut, model_id, node_id, at, counts', [...timed, ...ofDay])
  }
}

const keyOf = (row: z.infer<typeof Latency>) => [row.cut, row.model_id, row.node_id]

/** How many times the template hour an hour is: of no use but to look like one. */
function busy(hour: number, today: number, salt: number): number {
  const byHour = 0.35 + 0.65 * Math.max(0, Math.sin(((new Date(hour).getUTCHours() - 5) / 24) * 2 * Math.PI) + 0.25)
  const isWeekend = [0, 6].includes(new Date(hour).getUTCDay())
  const grown = 1 + (hour - today) / (180 * DAY_MS)
  return 9 * byHour * (isWeekend ? 0.6 : 1) * grown * (0.85 + 0.3 * drawn(hour / HOUR_MS, salt))
}

/** A busy hour is a little slower: some buckets on. */
function counted({ counts }: z.infer<typeof Latency>, hour: number, today: number): string {
  const often = busy(hour, today, 99)
  const moved = new Map<string, number>()
  for (const [bucket, n] of Object.entries(z.record(z.string(), z.number()).parse(JSON.parse(counts)))) {
    const to = bucket[0] + String(Math.max(0, Number(bucket.slice(1)) + Math.round(often / 6 - 1)))
    moved.set(to, (moved.get(to) ?? 0) + Math.max(1, Math.round(n * often)))
  }
  return JSON.stringify(Object.fromEntries(moved))
}

/** @returns 0 to 1, the same for the same numbers */
function drawn(a: number, b: number): number {
  const x = Math.sin(a * 12.9898 + b * 78.233) * 43_758.5453
  return x - Math.floor(x)
}

async function insert(market: Market, table: string, columns: string, rows: readonly (string | number)[][]) {
  const values = columns.split(', ').map((_, n) => `value ->> ${n}`)
  const sql = `INSERT OR IGNORE INTO ${table} (${columns}) SELECT ${values.join(', ')} FROM json_each(?1)`
  await market.query(BOOK, sql, JSON.stringify(rows))
}
