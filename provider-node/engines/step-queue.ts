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
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  fail(failure: Error): void {
    this.#failure = failure
    this.end()
  }

  /** All that waits, at most one step of each choice; null behind the last one. One reader. @throws what {@link fail} was given */
  async take(): Promise<TextStep[] | null> {
    while (this.#pending.size === 0) {
      if (this.#failure) throw this.#failure
      if (this.#ended) return null
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    // Counts are of all choices, so the latest one holds for each of these.
    const steps = [...this.#pending.values()].map((step) => ({ ...step, outputTokens: this.#outputTokens }))
    this.#pending.clear()
    return steps
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TextStep> {
    for (let steps = await this.take(); steps; steps = await this.take()) yield* steps
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = null
  }
}
