// A graph that is no graph, under the real scheduler: it says what it is told or what follows from all it has read, notes every run, and a test
// lets it take its steps one by one.
import type { TextJob } from '../../../../../provider-node/engines/engine.ts'
import type { Decoder, Fed, Piece } from '../../../../../provider-node/engines/onnx/text/decoder.ts'
import type { Row } from '../../../../../provider-node/engines/onnx/text/kv-cache.ts'
import { Scheduler, type SchedulerNeeds } from '../../../../../provider-node/engines/onnx/text/scheduler.ts'
import type { TextReply } from '../../../../../provider-node/engines/onnx/text/text-messages.ts'
import type { TokenTable } from '../../../../../provider-node/engines/token-table.ts'
import { aJob } from '../../../jobs.ts'

export const END = 0
/** The graph fails on a sequence that holds this token. */
export const BROKEN = 200
/** Tokens 1…255 stand for their byte. */
export const TABLE: TokenTable = { size: 256, specials: new Set([END]), bytes: (token) => Uint8Array.of(token) }
export const aTextJob = (overrides: Partial<TextJob> = {}): TextJob => aJob('', { outputTokensMax: 100, ...overrides })

/** What comes behind these tokens. */
export type Says = (tokens: readonly number[]) => number

/** `script` by position, then the end. */
export const saying =
  (script: readonly number[]): Says =>
  (tokens) =>
    script[tokens.length - 1] ?? END

export interface Run {
  readonly kind: 'prefill' | 'step'
  /** what was fed to each row, with what the row had read before */
  readonly rows: readonly { readonly before: number; readonly tokens: readonly number[] }[]
}

/** @param during what happens elsewhere while the graph computes */
export function aGraph(says: Says, during: (run: number) => void = () => undefined): { decoder: Decoder; runs: Run[] } {
  const runs: Run[] = []
  const read = new WeakMap<Row, readonly number[]>()
  const aRow = (tokens: readonly number[]): Row => {
    const row: Row = { length: tokens.length, place: null }
    read.set(row, tokens)
    return row
  }
  const readBy = (row: Row | null) => (row ? (read.get(row) ?? []) : [])
  const feed = (kind: Run['kind'], pieces: readonly Piece[]): Fed[] => {
    runs.push({ kind, rows: pieces.map(({ row, tokens }) => ({ before: readBy(row).length, tokens })) })
    during(runs.length)
    return pieces.map(({ row, tokens }) => {
      const all = [...readBy(row), ...tokens]
      if (all.includes(BROKEN)) return { failed: 'RangeError' }
      const logits = new Float32Array(256)
      logits[says(all)] = 1
      if (!row) return { row: aRow(all), logits }
      read.set(row, all)
      return { row, logits }
    })
  }
  const decoder: Decoder = {
    positionBytes: 1,
    prefill: async (pieces) => feed('prefill', pieces),
    step: async (rows, tokens) =>
      feed(
        'step',
        rows.map((row, index) => ({ row, tokens: [tokens[index] ?? END] })),
      ),
    fork: (row) => aRow(readBy(row)),
    close: () => Promise.resolve(),
  }
  return { decoder, runs }
}

type Limits = Pick<SchedulerNeeds, 'contextTokens' | 'rowsMax' | 'prefillTokensMax' | 'cachePositionsMax'>

/** @param during is told the number of the run that is under way, counted from 1 */
export function aScheduler(says: Says, limits: Partial<Limits> = {}, during?: (run: number) => void) {
  const replies: TextReply[] = []
  /** rows of each step that was told */
  const batches: number[] = []
  const { decoder, runs } = aGraph(says, during)
  let now = 1_000
  let release: (() => void) | null = null
  const scheduler = new Scheduler({
    decoder,
    tokens: TABLE,
    contextTokens: 50,
    rowsMax: 2,
    prefillTokensMax: 16,
    cachePositionsMax: 10_000,
    ...limits,
    now: () => now,
    send: (said, rows) => {
      replies.push(...said)
      if (rows !== null) batches.push(rows)
    },
    breathe: () => new Promise((resolve) => (release = resolve)),
  })
  /** Lets the scheduler go once round. */
  const step = async () => {
    release?.()
    release = null
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  const run = async (count = 200) => {
    for (let turn = 0; turn < count; turn++) await step()
  }
  const stepsOf = (id: number, choice = 0) =>
    replies.flatMap((reply) => (reply.type === 'step' && reply.id === id && reply.choice === choice ? [reply] : []))
  const textOf = (id: number, choice = 0) =>
    stepsOf(id, choice)
      .map(({ text }) => text)
      .join('')
  const endOf = (id: number) => replies.filter((reply) => reply.id === id).at(-1)
  const advance = (ms: number) => void (now += ms)
  return { scheduler, replies, batches, runs, step, run, stepsOf, textOf, endOf, advance }
}
