// What of a streamed text has reached its caller, remembered for who goes on with it after a node broke off. Bounded: of a longer one only that it was
// too long. Per token it appends and nothing else.

/** UTF-16 units that are remembered of all choices together: what a continuation may say (protocol/node.ts), and 2 MB of an isolate's 128 MiB */
export const DELIVERED_MAX = 1_000_000

export interface DeliveredChoice {
  readonly text: string
  /** tokens whose log probabilities were delivered */
  readonly logprobs: number
}

export class Delivered {
  readonly #texts: string[]
  readonly #logprobs: number[]
  #size = 0

  constructor(choices: number) {
    this.#texts = Array.from({ length: choices }, () => '')
    this.#logprobs = Array.from({ length: choices }, () => 0)
  }

  add(text: string, choice: number, logprobs: number): void {
    this.#size += text.length
    if (this.#size > DELIVERED_MAX) return this.#forget()
    this.#texts[choice] = (this.#texts[choice] ?? '') + text
    this.#logprobs[choice] = (this.#logprobs[choice] ?? 0) + logprobs
  }

  /** Null: it was too long. */
  choices(): readonly DeliveredChoice[] | null {
    if (this.#size > DELIVERED_MAX) return null
    return this.#texts.map((text, choice) => ({ text, logprobs: this.#logprobs[choice] ?? 0 }))
  }

  #forget(): void {
    this.#texts.length = 0
    this.#logprobs.length = 0
  }
}
