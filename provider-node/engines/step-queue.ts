// Steps on their way from an engine to one reader. Steps that nobody has read yet are joined, so a slow reader costs one string and no list.
import type { ChatStep } from './engine.ts'

export class StepQueue implements AsyncIterable<ChatStep> {
  #pending: ChatStep | null = null
  #ended = false
  #failure: Error | null = null
  #wake: (() => void) | null = null

  push(step: ChatStep): void {
    this.#pending = this.#pending ? { ...step, text: this.#pending.text + step.text } : step
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

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatStep> {
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
