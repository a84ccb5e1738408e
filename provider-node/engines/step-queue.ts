// Steps on their way from an engine to one reader. Steps that nobody has read yet are joined, so a slow reader costs one string and no list.
import type { TextStep } from './engine.ts'

export class StepQueue implements AsyncIterable<TextStep> {
  #pending: TextStep | null = null
  #ended = false
  #failure: Error | null = null
  #wake: (() => void) | null = null

  push(step: TextStep): void {
    const { text, logprobs } = this.#pending ?? { text: '', logprobs: [] }
    this.#pending = { ...step, text: text + step.text, logprobs: [...logprobs, ...step.logprobs] }
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

  async *[Symbol.asyncIterator](): AsyncGenerator<TextStep> {
    for (;;) {
      const step = this.#pending
      this.#pending = null
      if (step) yield step
      else if (this.#failure) throw this.#failure
      else if (this.#ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = null
  }
}
