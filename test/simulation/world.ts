// Virtual time: a queue of what happens next, one thing at a time. After each the microtasks run dry, so that whatever it set off has
// happened before anybody looks. Timers of the code under test run on this clock too; nothing here reads a real one.
import { createHash } from 'node:crypto'
import { instant, type Instant } from '../../protocol/units.ts'
import type { Random } from './random.ts'

/** A planned failure: part of the story, not a bug of the code under test. */
export class Planned extends Error {
  override readonly name = 'Planned'
}

/** Whoever waits for an answer; who is dead never gets one. */
export interface Life {
  alive: boolean
}

interface Event {
  readonly at: number
  readonly order: number
  readonly label: string
  readonly work: () => void
  cancelled: boolean
}

/** A Saturday, 10:00 UTC. */
export const START = Date.UTC(2040, 5, 16, 10)

export class World {
  now = START
  steps = 0
  /** the first broken promise; the run ends with it */
  violation: string | null = null
  readonly #queue: Event[] = []
  readonly #hash = createHash('sha256')
  #order = 0

  constructor(
    readonly random: Random,
    private readonly print: ((line: string) => void) | null,
  ) {}

  clock(skewMs = 0): Instant {
    return instant(this.now + skewMs)
  }

  log(text: string): void {
    const line = `${String(this.now - START).padStart(9)} ${text}`
    this.#hash.update(line).update('\n')
    this.print?.(line)
  }

  broken(invariant: string, detail: string): void {
    if (this.violation !== null) return
    this.violation = `${invariant}: ${detail}`
    this.log(`VIOLATION ${this.violation}`)
  }

  logHash(): string {
    return this.#hash.digest('hex')
  }

  /** @returns what cancels it */
  after(ms: number, label: string, work: () => void): () => void {
    const event = { at: this.now + Math.max(0, ms), order: this.#order++, label, work, cancelled: false }
    push(this.#queue, event)
    return () => {
      event.cancelled = true
    }
  }

  /** For actors: never resolves for who died meanwhile. */
  sleep(ms: number, who: Life): Promise<void> {
    return new Promise((resolve) => this.after(ms, '', () => who.alive && resolve()))
  }

  /** The next thing, at its time; false when there is none before `until`. */
  async step(until: number): Promise<boolean> {
    for (;;) {
      const next = this.#queue[0]
      if (!next || next.at > until) return false
      pop(this.#queue)
      if (next.cancelled) continue
      this.now = next.at
      this.steps += 1
      if (next.label) this.log(next.label)
      next.work()
      await dry()
      return true
    }
  }
}

const { setImmediate: soon, setTimeout: realTimeout, clearTimeout: realClear } = globalThis
const dry = () => new Promise<void>((resolve) => soon(resolve))

/** While `work` runs, timers run on the world's clock. */
export async function withVirtualTimers<T>(world: World, work: () => Promise<T>): Promise<T> {
  const cancels = new Map<number, () => void>()
  let last = 0
  const later = (run: () => void, ms = 0) => {
    const id = ++last
    cancels.set(id, world.after(ms, '', run))
    return id
  }
  const forget = (id: number) => {
    cancels.get(id)?.()
    cancels.delete(id)
  }
  // Only what the code under test uses of timers: start with a callback, and clear.
  Object.assign(globalThis, { setTimeout: later, clearTimeout: forget })
  try {
    return await work()
  } finally {
    Object.assign(globalThis, { setTimeout: realTimeout, clearTimeout: realClear })
  }
}

const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** A binary heap: thousands of events a seed. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    const parent = heap[up]
    if (!parent || isBefore(parent, event)) break
    heap[at] = parent
    at = up
  }
  heap[at] = event
}

function pop(heap: Event[]): void {
  const last = heap.pop()
  if (!last || heap.length === 0) return
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const right = heap[left + 1]
    const child = right && isBefore(right, heap[left] ?? right) ? left + 1 : left
    const event = heap[child]
    if (!event || isBefore(last, event)) break
    heap[at] = event
    at = child
  }
  heap[at] = last
}
