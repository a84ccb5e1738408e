// What this node did, a line a receipt, by day: small enough to keep for more than a year, so that earnings can be compared with it long after the
// receipts themselves were acknowledged. A receipt is noted before it is forgotten; what a crash notes twice counts once.
import { join } from 'node:path'
import { z } from 'zod'
import { fromBase64url } from '../../protocol/canonical.ts'
import { costOf } from '../../protocol/price.ts'
import { Outcome, Receipt } from '../../protocol/receipt.ts'
import { readTicket, type Ticket } from '../../protocol/ticket.ts'
import { bytes, nanos, tokens } from '../../protocol/units.ts'
import type { Disk } from './disk.ts'
import { RECEIPT_LIMITS } from './receipt-limits.ts'
import { encodeRecord, readRecords } from './record.ts'
import { receiptsFolder } from './store.ts'
import type { Kept } from './stored.ts'

/** One receipt of ours, as it is compared with what was paid. */
export const Own = z.object({
  jti: z.string(),
  callId: z.string(),
  attempt: z.number(),
  model: z.string(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  tensorBytes: z.number(),
  outcome: Outcome,
  /** nanos, as decimal digits: its units at the ticket's prices, which is what the consumer is charged at most */
  expected: z.string().regex(/^\d+$/),
  /** ms: when its last output was made */
  at: z.number(),
  /** what the gateway made of it: `waiting`, `taken`, or the code of its refusal */
  state: z.string(),
})
export type Own = z.infer<typeof Own>

export const historyFolder = (home: string): string => join(receiptsFolder(home), 'history')

/** UTC. @example dayOf(0) // '1970-01-01' */
export const dayOf = (epochMs: number): string => new Date(epochMs).toISOString().slice(0, 10)

/** Null for what this node did not write. */
export function ownOf({ ticket: ticketJws, receipt: receiptJws }: Kept, state: string): Own | null {
  const ticket = readTicket(ticketJws)
  const receipt = readReceipt(receiptJws)
  if (!ticket || !receipt) return null
  const { jti, callId, attempt, model, inputTokens, outputTokens, tensorBytes = 0, outcome } = receipt
  const expected = expectedOf(receipt, ticket).toString()
  const at = Date.parse(receipt.endedAt)
  return { jti, callId, attempt, model, inputTokens, outputTokens, tensorBytes, outcome, expected, at, state }
}

/** As the gateway counts a late receipt: never more than was ordered, and nothing for an attempt that says itself that it failed. */
function expectedOf(receipt: Receipt, ticket: Ticket): bigint {
  if (receipt.outcome === 'failed') return 0n
  const price = {
    inputPerMillion: nanos(BigInt(ticket.prices.input)),
    outputPerMillion: nanos(BigInt(ticket.prices.output)),
    cachedInputPerMillion: nanos(BigInt(ticket.prices.cachedInput)),
    bytesPerMillion: nanos(BigInt(ticket.prices.bytes)),
    perCall: nanos(BigInt(ticket.prices.perCall)),
  }
  const units = {
    inputTokens: tokens(Math.min(receipt.inputTokens, ticket.inputTokensMax)),
    outputTokens: tokens(Math.min(receipt.outputTokens, ticket.outputTokensMax)),
    tensorBytes: bytes(Math.min(receipt.tensorBytes ?? 0, ticket.tensorBytesMax ?? 0)),
  }
  return costOf(units, price)
}

function readReceipt(jws: string): Receipt | null {
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(fromBase64url(jws.split('.')[1] ?? '')))
    return Receipt.safeParse(claims).data ?? null
  } catch {
    return null
  }
}

export interface History {
  /** Resolves when they are on the disk, or cannot be for now: they are tried again with the next ones. */
  add(receipts: readonly Own[]): Promise<void>
}

/** @param disk the folder {@link historyFolder} @param failed counts what the disk refuses */
export function createHistory(disk: Disk, failed: (code: string) => void): History {
  let waiting: Own[] = []
  let adding: Promise<void> = Promise.resolve()
  const days = new Set<string>()

  async function write(): Promise<void> {
    const byDay = new Map<string, Own[]>()
    for (const own of waiting) byDay.set(dayOf(own.at), [...(byDay.get(dayOf(own.at)) ?? []), own])
    try {
      for (const [day, receipts] of byDay) {
        if (!days.has(day)) await forgetOld(disk)
        days.add(day)
        const file = await disk.append(fileOf(day))
        try {
          await file.write(Buffer.concat(receipts.map(encodeLine)))
          await file.sync()
        } finally {
          await file.close()
        }
        waiting = waiting.filter((own) => !receipts.includes(own))
      }
    } catch {
      failed('history')
      waiting = waiting.slice(-RECEIPT_LIMITS.historyWaiting)
    }
  }

  return {
    add(receipts) {
      adding = adding.then(() => {
        waiting.push(...receipts)
        return waiting.length > 0 ? write() : undefined
      })
      return adding
    },
  }
}

/** Of these days, both included; each receipt once, as it was noted last. @param days as {@link dayOf} */
export async function readHistory(disk: Disk, days: { from: string; to: string }): Promise<Own[]> {
  const found = new Map<string, Own>()
  for (const day of await daysIn(disk)) {
    if (day < days.from || day > days.to) continue
    const { records } = readRecords(await disk.read(fileOf(day)))
    for (const own of records.flatMap(decodeLine)) found.set(own.jti, own)
  }
  return [...found.values()]
}

/** The newest day files stay. A clock that is wrong deletes nothing: days are counted as they were worked, not as they went by. */
async function forgetOld(disk: Disk): Promise<void> {
  const files = (await disk.list()).filter(({ name }) => DAY_FILE.test(name)).sort((a, b) => (a.name < b.name ? 1 : -1))
  let bytesKept = 0
  const old = files.filter((file, index) => {
    bytesKept += file.bytes
    return index >= RECEIPT_LIMITS.historyDays || bytesKept > RECEIPT_LIMITS.historyBytes
  })
  for (const { name } of old) await disk.remove(name)
}

async function daysIn(disk: Disk): Promise<string[]> {
  const names = (await disk.list()).map(({ name }) => name).filter((name) => DAY_FILE.test(name))
  return names.map((name) => name.slice(0, -LOG.length)).sort()
}

const LOG = '.log'
const DAY_FILE = /^\d{4}-\d{2}-\d{2}\.log$/
const fileOf = (day: string): string => `${day}${LOG}`

/** A list without names: half the bytes, and a busy day has a million of them. */
const encodeLine = (own: Own): Buffer => encodeRecord(FIELDS.map((field) => own[field]))
const FIELDS = [
  'jti',
  'callId',
  'attempt',
  'model',
  'inputTokens',
  'outputTokens',
  'tensorBytes',
  'outcome',
  'expected',
  'at',
  'state',
] as const satisfies readonly (keyof Own)[]

function decodeLine(record: unknown): Own[] {
  if (!Array.isArray(record)) return []
  const own = Own.safeParse(Object.fromEntries(FIELDS.map((field, index) => [field, record[index]])))
  return own.success ? [own.data] : []
}
