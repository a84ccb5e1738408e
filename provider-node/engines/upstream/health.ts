// Whether the server behind an engine is there. Calls show it while there are calls; an idle server is asked now and then, one that is down more
// often, so that it comes back by itself. The operator is told once when it goes and not again until it was back.
import type { EngineObserver } from '../engine.ts'
import type { UpstreamLimits } from './limits.ts'

interface HealthNeeds {
  /** @returns null when all is well, else a word for the operator: a code or a name of ours, never what a server said */
  readonly look: (signal: AbortSignal) => Promise<string | null>
  readonly isIdle: () => boolean
  readonly observe: EngineObserver
  /** for the operator: which server */
  readonly about: Readonly<Record<string, string>>
  readonly now: () => number
  readonly limits: UpstreamLimits
}

export class Health {
  #isDown = false
  #nextLookAt = 0
  #pauseMs: number
  #timer: NodeJS.Timeout | undefined
  readonly #warned = new Set<string>()
  readonly #closing = new AbortController()

  constructor(private readonly needs: HealthNeeds) {
    this.#pauseMs = needs.limits.downMs.first
    this.#schedule(needs.limits.healthMs)
  }

  get isDown(): boolean {
    return this.#isDown
  }

  /** s until it is asked again: what callers are told */
  get retryAfterSeconds(): number {
    return Math.max(1, Math.ceil((this.#nextLookAt - this.needs.now()) / 1_000))
  }

  /** A call was answered as it should be: whatever was wrong is mended. */
  worked(): void {
    this.#warned.clear()
    if (!this.#isDown) return
    this.#isDown = false
    this.#pauseMs = this.needs.limits.downMs.first
    this.needs.observe.warn('upstream_back', this.needs.about)
    this.#schedule(this.needs.limits.healthMs)
  }

  /** Nobody is there, or nobody who serves this model: calls are refused until it is back. */
  down(why: string): void {
    this.warnOnce('upstream_down', { why })
    if (this.#isDown) return
    this.#isDown = true
    this.#schedule(this.#pauseMs)
  }

  /** For what an operator should mend although the server answers. */
  warnOnce(event: string, fields: Readonly<Record<string, string | number>>): void {
    if (this.#warned.has(event)) return
    this.#warned.add(event)
    this.needs.observe.warn(event, { ...this.needs.about, ...fields })
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  #schedule(ms: number): void {
    if (this.#closing.signal.aborted) return
    clearTimeout(this.#timer)
    this.#nextLookAt = this.needs.now() + ms
    this.#timer = setTimeout(() => void this.#look(), ms)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const { look, isIdle, limits } = this.needs
    if (!this.#isDown && !isIdle()) return this.#schedule(limits.healthMs)
    const why = await look(this.#closing.signal)
    if (this.#closing.signal.aborted) return
    if (why === null) {
      // Warnings that a look cannot judge stay until a call has worked.
      if (this.#isDown) this.worked()
      return this.#schedule(limits.healthMs)
    }
    if (!this.#isDown) return this.down(why)
    this.#pauseMs = Math.min(2 * this.#pauseMs, limits.downMs.last)
    this.#schedule(this.#pauseMs)
  }
}
