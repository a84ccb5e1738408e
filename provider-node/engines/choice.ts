// One choice of an answer, from the logits of each step to text: draws the next token and decides when the answer ends. A rule with a memory:
// whoever schedules only moves tensors, and what a choice becomes depends on its job, its index and the logits alone.
import type { FinishReason, TokenLogprob } from '../../protocol/openai.ts'
import type { TextJob } from './engine.ts'
import { JsonMask } from './json-mask.ts'
import { choiceSeed, sampleToken, seededRandom } from './sampling.ts'
import { TextStream, type TextPart } from './text-stream.ts'
import { tokenLogprob } from './token-logprobs.ts'
import { ToldTokens } from './told-tokens.ts'
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
  /** of the tokens whose text was given out by now; empty unless asked for. A token of which only a part is given out has only that part's bytes. */
  readonly logprobs: readonly TokenLogprob[]
  readonly finishReason: FinishReason | null
}

/** In JSON mode: tokens tried one by one, likely ones first, before all are judged. Inside a string nearly every token may come. */
const JSON_TRIES = 8

export class Choice {
  readonly #needs: ChoiceNeeds
  readonly #random: () => number
  readonly #text: TextStream
  /** null: any text */
  readonly #json: JsonMask | null
  #outputTokens = 0
  /** null: nobody asked */
  readonly #told: ToldTokens | null

  constructor(needs: ChoiceNeeds) {
    const { seed, stop, prefix, isJson, logprobs } = needs.job
    this.#needs = needs
    this.#random = seededRandom(choiceSeed(seed, needs.index))
    this.#text = new TextStream(stop, prefix)
    this.#json = isJson ? new JsonMask() : null
    this.#json?.push(new TextEncoder().encode(prefix))
    this.#told = logprobs === null ? null : new ToldTokens()
  }

  /** tokens produced until now, the end token not among them */
  get outputTokens(): number {
    return this.#outputTokens
  }

  /** @param logits behind the last token, not kept and not changed */
  take(logits: Float32Array): Taken {
    const { job, tokens, outputTokensMax } = this.#needs
    // An object that was whole in what was delivered before needs nothing more.
    if (this.#json?.isComplete) return this.#over('stop')
    const known = logits.length > tokens.size ? logits.subarray(0, tokens.size) : logits
    const token = this.#json ? this.#drawJson(known, this.#json) : sampleToken(known, job, this.#random())
    // Nothing can come next: that is an answer cut short, not one that ended.
    if (token === null) return this.#over('length')
    if (tokens.specials.has(token)) return this.#over('stop')
    const bytes = tokens.bytes(token)
    this.#outputTokens += 1
    this.#json?.push(bytes)
    this.#told?.hold(tokenLogprob(known, token, job.logprobs ?? 0, tokens))
    const part = this.#text.push(bytes)
    if (part.stopped) return this.#taken(null, part, 'stop')
    if (this.#json?.isComplete) return this.#over('stop', part.text)
    if (this.#outputTokens >= outputTokensMax) return this.#over('length', part.text)
    return this.#taken(token, part, null)
  }

  /**
   * Draws, and draws again among the others while what was drawn must not come: in the end a draw among all that may come. Null when none may.
   * The end token never may: an object that is whole has ended the answer already.
   */
  #drawJson(logits: Float32Array, json: JsonMask): number | null {
    const { job, tokens } = this.#needs
    const mayCome = (token: number) => !tokens.specials.has(token) && json.allows(tokens.bytes(token))
    const first = sampleToken(logits, job, this.#random())
    if (mayCome(first)) return first
    const left = logits.slice()
    left[first] = -Infinity
    for (let tried = 1; tried < JSON_TRIES; tried++) {
      const token = sampleToken(left, job, this.#random())
      if (mayCome(token)) return token
      left[token] = -Infinity
    }
    for (let token = 0; token < left.length; token++)
      if (left[token] !== -Infinity && !mayCome(token)) left[token] = -Infinity
    const token = sampleToken(left, job, this.#random())
    return left[token] === -Infinity ? null : token
  }

  /** @param text that was just given out */
  #over(finishReason: FinishReason, text = ''): Taken {
    const part = this.#text.end()
    return this.#taken(null, { ...part, text: text + part.text }, finishReason)
  }

  #taken(next: number | null, part: TextPart, finishReason: FinishReason | null): Taken {
    return { next, text: part.text, logprobs: this.#told?.release(part, next === null) ?? [], finishReason }
  }
}
