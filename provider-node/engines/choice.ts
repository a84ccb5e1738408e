// One choice of an answer, from the logits of each step to text: draws the next token and decides when the answer ends. A rule with a memory:
// whoever schedules only moves tensors, and what a choice becomes depends on its job, its index and the logits alone.
import type { FinishReason, TokenLogprob } from '../../protocol/openai.ts'
import type { TextJob } from './engine.ts'
import { sampleToken, seededRandom } from './sampling.ts'
import { TextStream } from './text-stream.ts'
import type { TokenTable } from './token-table.ts'

export interface ChoiceNeeds {
  readonly job: TextJob
  readonly index: number
  readonly tokens: TokenTable
  /** of the job, or fewer where the context ends earlier */
  readonly outputTokensMax: number
}

export interface Taken {
  /** token to feed into the graph next; null: this choice is over */
  readonly next: number | null
  /** what can be given out now */
  readonly text: string
  /** of the tokens whose text was given out now; empty unless asked for */
  readonly logprobs: readonly TokenLogprob[]
  readonly finishReason: FinishReason | null
}

export class Choice {
  readonly #needs: ChoiceNeeds
  readonly #random: () => number
  readonly #text: TextStream
  #outputTokens = 0

  constructor(needs: ChoiceNeeds) {
    this.#needs = needs
    this.#random = seededRandom(needs.job.seed)
    this.#text = new TextStream(needs.job.stop)
  }

  /** tokens produced until now, the end token not among them */
  get outputTokens(): number {
    return this.#outputTokens
  }

  /** @param logits behind the last token, not kept and not changed */
  take(logits: Float32Array): Taken {
    const { job, tokens, outputTokensMax } = this.#needs
    const token = sampleToken(logits, job, this.#random())
    if (tokens.specials.has(token)) return this.#over(this.#text.end(), 'stop')
    this.#outputTokens += 1
    const { text, stopped } = this.#text.push(tokens.bytes(token))
    if (stopped) return this.#over(text, 'stop')
    if (this.#outputTokens >= outputTokensMax) return this.#over(text + this.#text.end(), 'length')
    return { next: token, text, logprobs: [], finishReason: null }
  }

  #over(text: string, finishReason: FinishReason): Taken {
    return { next: null, text, logprobs: [], finishReason }
  }
}
