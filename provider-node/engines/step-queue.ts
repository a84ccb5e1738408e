// Steps on their way from an engine to one reader. Steps of one choice that nobody has read yet are joined, so a slow reader costs a string per
// choice and no list.
import type { TokenLogprob } from '../../protocol/openai.ts'
import type { TextStep } from './engine.ts'

interface Pending extends TextStep {
  text: string
  readonly logprobs: TokenLogprob[]
  finishReason: TextStep['finishReason']
}

export class StepQueue implements AsyncIterable<TextStep> {
  /** in the order in which they began to wait */
  readonly #pending = new Map<number, Pending>()
  #outputTokens = 0
  /** by the clock of `performance` */
  #takenAt = -Infinity
  /** the reader wants to hear of an end only */
  #isPausing = false
  #ended = false
  #failure: Error | null = null
  #wake: (() => void) | null = null

  push({ choice, text, outputTokens, logprobs, finishReason }: TextStep): void {
    this.#outputTokens = outputTokens
    const waiting = this.#pending.get(choice)
    if (waiting) {
      waiting.text += text
      waiting.logprobs.push(...logprobs)
      waiting.finishReason = finishReason
    } else this.#pending.set(choice, { choice, text, outputTokens, logprobs: [...logprobs], finishReason })
    if (!this.#isPausing || finishReason !== null) this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  fail(failure: Error): void {
    this.#failure = failure
    this.end()
  }

  /**
   * All that waits, at most one step of each choice; null behind the last one. One reader.
   * @param pauseMs before which nothing is given that came behind the last time, unless a choice ends: sooner it is joined with what comes after it
   * @throws what {@link fail} was given
   */
  async take(pauseMs = 0): Promise<TextStep[] | null> {
    while (this.#pending.size === 0) {
      if (this.#failure) throw this.#failure
      if (this.#ended) return null
      await this.#news()
    }
    if (pauseMs > 0) await this.#pause(pauseMs)
    // Counts are of all choices, so the latest one holds for each of these.
    const steps = [...this.#pending.values()].map((step) => ({ ...step, outputTokens: this.#outputTokens }))
    this.#pending.clear()
    return steps
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TextStep> {
    for (let steps = await this.take(); steps; steps = await this.take()) yield* steps
  }

  async #pause(pauseMs: number): Promise<void> {
    const restMs = this.#takenAt + pauseMs - performance.now()
    const isOver = this.#ended || [...this.#pending.values()].some(({ finishReason }) => finishReason !== null)
    if (restMs > 0 && !isOver) {
      this.#isPausing = true
      const late = setTimeout(() => this.#notify(), restMs)
      await this.#news()
      clearTimeout(late)
      this.#isPausing = false
    }
    this.#takenAt = performance.now()
  }

  #news(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = null
  }
}
